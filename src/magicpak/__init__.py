"""Bundle an executable with just what it needs at run time.

``pack(Options(inputs=("/bin/ls",), output="bundle"))`` does what the command does.
"""

from magicpak.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magicpak.errors import MagicpakError
    from magicpak.options import Options
    from magicpak.pipeline import Report, pack

__version__ = VERSION
__all__ = ["MagicpakError", "Options", "Report", "__version__", "pack"]


def __getattr__(name: str) -> object:
    """Import the pipeline when it is used: the command line may not get that far."""
    if name in ("MagicpakError", "Options", "Report", "pack"):
        from magicpak import pipeline  # noqa: PLC0415  that is the point

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
