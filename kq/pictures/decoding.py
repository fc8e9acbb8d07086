"""Decodes a picture by Pillow, or an EXR by OpenImageIO, within a limit of pixels.

Runs in the process that decodes pictures. No state.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

from PIL import Image, ImageOps

from .exr import read_exr
from .messages import PIXEL_BYTES
from .open_file import PictureError
from .picture_size import check_pixels, fitted

__all__ = ["decode", "pixels_of"]

Image.MAX_IMAGE_PIXELS = None  # `check_pixels` has our limit, and our words
warnings.simplefilter("ignore")  # of damaged metadata, for example

_HEAD_BYTES = 18
_STRIP_BYTES = 1 << 20
EXR = "EXR"
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x76\x2f\x31\x01", EXR),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    *((f"P{number}".encode() + blank, "PPM") for number in range(1, 7) for blank in (b"\n", b"\r", b" ")),
)
"""The first bytes of each format, which decide, not the name. SVG can refer to other files: not supported."""


def decode(content: io.BytesIO, path: str, fit: tuple[int, int] | None) -> Image.Image:
    """Decode a picture to 8 bits, in mode RGB or RGBX, or RGBa if it has an alpha channel.

    Args:
        content: of the file.
        path: of the file, for EXR on systems that have no files in memory.
        fit: scale it to fit into this width and height; None: do not scale.

    Raises:
        PictureError: it is no picture, has too many pixels, or is damaged, perhaps because it is being
            written.
    """
    form = _format_of(content.getbuffer()[:_HEAD_BYTES].tobytes())
    try:
        if form == EXR:
            return read_exr(content, path, fit)
        return _decode(content, form, fit)
    except MemoryError as error:
        raise PictureError("it needs too much memory") from error
    except (PictureError, ImportError):
        raise
    except Exception as error:  # decoders of damaged files raise whatever they run into
        raise PictureError(f"it is damaged, or still being written ({error})") from error


def pixels_of(picture: Image.Image) -> Iterator[bytes]:
    """Yield the pixels of what `decode` returned, some rows at a time."""
    rows = max(1, _STRIP_BYTES // (PIXEL_BYTES * picture.width))
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        # RGB has a fourth byte in memory: to copy it, too, takes a third of the time.
        yield strip.tobytes("raw", "RGBX" if strip.mode == "RGB" else strip.mode)


def _format_of(head: bytes) -> str:
    if not head:
        raise PictureError("it is empty")
    for begin, form in _FORMATS:
        if head.startswith(begin):
            return form
    if len(head) == _HEAD_BYTES and head[1] == 0 and head[2] in (2, 10) and head[16] in (16, 24, 32):
        return "TGA"  # has no magic number
    raise PictureError("its format is not supported (use PNG, JPEG, EXR, TIFF, BMP, TGA or PPM)")


def _decode(content: io.BytesIO, form: str, fit: tuple[int, int] | None) -> Image.Image:
    picture: Image.Image = Image.open(content, formats=[form])
    check_pixels(*picture.size)
    if fit is not None:
        picture.draft(None, (2 * fit[0], 2 * fit[1]))  # a JPEG is decoded to less
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I"):  # 16 bits of grey
        picture = picture.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    elif picture.mode == "F":
        picture = picture.point(lambda value: value * 255 + 0.5).convert("L")
    has_alpha = picture.has_transparency_data
    mode = "RGBA" if has_alpha else "RGB"
    if picture.mode != mode:  # to convert to the same mode would be to copy
        picture = picture.convert(mode)
    if fit is not None:
        size = fitted(picture.width, picture.height, fit)
        is_smaller = size[0] < picture.width
        picture = picture.resize(size, Image.Resampling.BOX if is_smaller else Image.Resampling.BILINEAR)
        if not has_alpha:
            return picture.convert("RGBX")  # `resize` leaves no 255 in the fourth byte
    return picture.convert("RGBa") if has_alpha else picture
