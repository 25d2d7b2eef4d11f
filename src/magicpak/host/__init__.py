"""The files of the build machine, or of a sysroot."""

from magicpak.host.collect import Host

__all__ = ["Host"]
