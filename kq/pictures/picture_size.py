"""How large a picture may be, and how small it becomes. Pure."""

from __future__ import annotations

from .messages import MAX_PIXELS, PIXEL_BYTES
from .open_file import PictureError

__all__ = ["check_pixels", "fitted"]


def check_pixels(width: int, height: int, pixel_bytes: int = PIXEL_BYTES) -> None:
    """Raise PictureError if a picture of this size takes too much memory."""
    limit = MAX_PIXELS * PIXEL_BYTES
    needed = width * height * pixel_bytes
    if needed > limit:
        raise PictureError(
            f"its {width:,} x {height:,} pixels take {needed >> 20:,} MiB of memory, "
            f"and at most {limit >> 20:,} MiB are used for one picture"
        )


def fitted(width: int, height: int, fit: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of the same proportions that fits into `fit`; each side is 1 or more."""
    scale = min(fit[0] / width, fit[1] / height)
    return max(1, int(width * scale)), max(1, int(height * scale))
