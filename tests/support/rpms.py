"""Write the database of rpm in each of its formats."""

from __future__ import annotations

import sqlite3
import struct
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

INT32, STRING, STRINGS = 4, 6, 8
"""Types of what a tag says (rpm's docs/manual/format_header.md)."""


def header(name: str, *paths: str, epoch: int | None = 1) -> bytes:
    """Describe a package as rpm does, with some of the tags."""
    texts = {1000: name, 1001: "1.2", 1002: "3", 1022: "noarch", 1044: f"{name}-1.2-3.src.rpm"}
    directories = sorted({path.rpartition("/")[0] + "/" for path in paths})
    indices = [directories.index(path.rpartition("/")[0] + "/") for path in paths]
    index, data = b"", b""
    for tag, text in texts.items():
        index += struct.pack(">IIII", tag, STRING, len(data), 1)
        data += text.encode() + b"\0"
    data += b"\0" * (-len(data) % 4)
    for tag, numbers in ((1116, indices), (1003, [] if epoch is None else [epoch]), (1009, [10])):
        index += struct.pack(">IIII", tag, INT32, len(data), len(numbers))
        data += struct.pack(f">{len(numbers)}I", *numbers)
    for tag, strings in ((1117, [path.rpartition("/")[2] for path in paths]), (1118, directories)):
        index += struct.pack(">IIII", tag, STRINGS, len(data), len(strings))
        data += b"".join(string.encode() + b"\0" for string in strings)
    return struct.pack(">II", len(index) // 16, len(data)) + index + data


def ndb(headers: list[bytes]) -> bytes:
    """Write what rpm's lib/backend/ndb/rpmpkg.c does, in another order, with a slot left free."""
    page, block = 4096, 16
    pages = 1 + (len(headers) + 3) * block // page
    slots, data = [(0, 0, 0)], b""
    for number, blob in reversed(list(enumerate(headers, 1))):
        framed = struct.pack("<4sIII", b"BlbS", number, 7, len(blob)) + blob
        framed += b"\0" * (-(len(framed) + 12) % block)
        framed += struct.pack("<II4s", 0, len(blob), b"BlbE")
        slots.append((number, (pages * page + len(data)) // block, len(framed) // block))
        data += framed
    slots += [(0, 0, 0)] * ((pages * page - 32) // block - len(slots))
    start = struct.pack("<4sIIII12x", b"RpmP", 0, 7, pages, len(headers) + 1)
    return start + b"".join(struct.pack("<4sIII", b"Slot", *slot) for slot in slots) + data


def bdb(path: Path, headers: Iterable[bytes], order: int = 1234) -> None:
    """Load headers into a hash of Berkeley DB, beside the counter that rpm keeps in it."""
    form = ">" if order == 4321 else "<"
    pairs = [(0, struct.pack(f"{form}I", 1)), *enumerate(headers, 1)]
    lines = (f" {struct.pack(f'{form}I', key).hex()}\n {value.hex()}\n" for key, value in pairs)
    start = f"VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder={order}\ndb_pagesize=4096\n"
    text = f"{start}HEADER=END\n{''.join(lines)}DATA=END\n"
    subprocess.run(["db5.3_load", path], input=text, text=True, check=True)


def sqlite(path: Path, headers: Iterable[bytes]) -> None:
    """Write the table of packages as rpm's lib/backend/sqlite.c does."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"
        )
        database.executemany(
            "INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in headers]
        )


def headers_in(path: Path) -> list[bytes]:
    """Read the headers by SQLite itself."""
    with closing(sqlite3.connect(path)) as database:
        return [blob for (blob,) in database.execute("SELECT blob FROM Packages ORDER BY hnum")]
