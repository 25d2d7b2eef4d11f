"""The objects of one namespace of a process, and the names by which the loader knows them.

glibc: elf/dl-load.c (_dl_map_object), elf/dl-object.c. musl: ldso/dynlink.c (load_library).
"""

from __future__ import annotations

from magicpak.loader.search import Flavour, Loaded

VDSO = {"EM_386": "linux-gate.so.1", "EM_PPC": "linux-vdso32.so.1"} | dict.fromkeys(
    ("EM_PPC64", "EM_S390"), "linux-vdso64.so.1"
)
"""The soname of the object that the kernel maps, vdso(7), where it is not ``linux-vdso.so.1``."""
MUSL_OWN = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
"""Beginnings of names that mean musl's loader itself."""


class Namespace:
    """The objects that are loaded, in their order, and their names."""

    def __init__(self, flavour: Flavour) -> None:
        """Begin with none."""
        self.flavour = flavour
        self.objects: list[Loaded] = []
        self.by_name: dict[str, Loaded] = {}
        self.by_identity: dict[tuple[int, int], Loaded] = {}
        self.unlisted: set[Loaded] = set()
        """The program, and what stands before it: glibc looks names up only from there on."""

    def begin(self, program: Loaded) -> None:
        """Add the program, and for glibc the object of the kernel."""
        self.add(program, program.path)
        self.unlisted.add(program)
        if self.flavour is Flavour.GLIBC:
            machine = program.elf.abi.machine
            self.by_name[VDSO.get(machine, "linux-vdso.so.1")] = program

    def add(self, loaded: Loaded, name: str) -> None:
        """Add an object that is found by ``name``."""
        self.objects.append(loaded)
        self.by_identity.setdefault(loaded.elf.identity, loaded)
        self.by_name.setdefault(name, loaded)
        self.by_name.setdefault(loaded.path, loaded)
        if loaded.elf.soname is not None and self.flavour is Flavour.GLIBC:
            self.by_name.setdefault(loaded.elf.soname, loaded)

    def named(self, name: str) -> Loaded | None:
        """Return the object that has this name already."""
        if self.flavour is Flavour.MUSL and name.startswith(MUSL_OWN):
            return self.objects[0]
        return self.by_name.get(name)

    def unlist(self, loaded: Loaded) -> None:
        """Put an object before the program: its names do not lead to it any more."""
        self.unlisted.add(loaded)
        for name in [name for name, each in self.by_name.items() if each is loaded]:
            del self.by_name[name]
        self.by_identity.pop(loaded.elf.identity, None)
