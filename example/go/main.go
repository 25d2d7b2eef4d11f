// Checksum answers with the CRC-32 of what is posted to it.
package main

// #cgo LDFLAGS: -lz
// #include <stdlib.h>
// #include <zlib.h>
import "C"

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"unsafe"
)

func checksum(response http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	bytes := C.CBytes(body)
	defer C.free(unsafe.Pointer(bytes))
	sum := C.crc32(0, (*C.uchar)(bytes), C.uint(len(body)))
	fmt.Fprintf(response, "%08x\n", uint32(sum))
}

func main() {
	http.HandleFunc("/", checksum)
	log.Fatal(http.ListenAndServe(":8000", nil))
}
