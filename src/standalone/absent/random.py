"""Stands in for the standard library's module: tempfile makes names by it."""

import os


class Random:
    """Random numbers of the kernel's."""

    def choices(self, population: str, k: int) -> list[str]:
        """Choose so many characters."""
        return [population[byte % len(population)] for byte in os.urandom(k)]


def getrandbits(count: int) -> int:
    """Return so many random bits."""
    return int.from_bytes(os.urandom((count + 7) // 8), "big") & ((1 << count) - 1)
