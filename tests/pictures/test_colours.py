"""Pixels, compared with those that Qt's own readers give, and EXR by its values."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import OpenImageIO as oiio  # noqa: N813
import pytest
from PIL import Image
from PySide6.QtGui import QImage, QImageReader

from kq.pictures.open_file import PictureError
from kq.pictures.reader import Picture, PictureReader

Pixels = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]
RANDOM = numpy.random.default_rng(1)
SMOOTH = numpy.linspace(0, 65535, 64 * 40 * 4).reshape(40, 64, 4).astype(numpy.uint16)


def noise(kind: str, channels: int = 0) -> Pixels:
    """Random values of a picture of 64 x 40."""
    size = (40, 64, channels) if channels else (40, 64)
    return RANDOM.integers(0, numpy.iinfo(kind).max, size, kind, endpoint=True)  # type: ignore[no-any-return]


def by_pillow(values: Pixels, **options: object) -> Callable[[Path], object]:
    """Writes a picture of 8 bits, or of 16 bits of grey."""
    return lambda path: Image.fromarray(values).save(path, **options)  # type: ignore[arg-type]


def palette(alpha: bool) -> Callable[[Path], object]:
    """Writes a picture of 256 colours, one of which is clear."""
    picture = Image.fromarray(noise("uint8", 3)).quantize(256)
    return lambda path: picture.save(path, **({"transparency": 3} if alpha else {}))


def rotated(path: Path) -> None:
    """Writes a JPEG that is to be turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise("uint8", 3)).save(path, exif=exif)


def by_oiio(values: Pixels, kind: object) -> Callable[[Path], object]:
    """Writes a picture of 16 bits a channel."""

    def write(path: Path) -> None:
        picture = oiio.ImageBuf(oiio.ImageSpec(64, 40, values.shape[2], kind))
        assert picture.set_pixels(oiio.ROI(), values) and picture.write(str(path)), picture.geterror()

    return write


def pixels_of(picture: Picture | None) -> Pixels:
    assert picture is not None
    values = numpy.frombuffer(picture.pixels, numpy.uint8)
    return values.reshape(picture.height, picture.width, 4)


def by_qt(path: Path) -> Pixels:
    """Read as the tab did before it had a process for this."""
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    image = reader.read()
    assert not image.isNull(), reader.errorString()
    shown = (
        QImage.Format.Format_RGBA8888_Premultiplied
        if image.hasAlphaChannel()
        else QImage.Format.Format_RGBX8888
    )
    image = image.convertToFormat(shown)
    values = numpy.frombuffer(image.constBits(), numpy.uint8).copy()  # the image is gone soon
    return values.reshape(image.height(), image.width(), 4)


CASES: dict[str, tuple[str, Callable[[Path], object], int]] = {
    "8 bits": ("png", by_pillow(noise("uint8", 3)), 0),
    "8 bits with alpha": ("png", by_pillow(noise("uint8", 4)), 1),
    "grey": ("png", by_pillow(noise("uint8")), 0),
    "grey with alpha": ("png", lambda path: Image.fromarray(noise("uint8", 4)).convert("LA").save(path), 1),
    "black and white": ("png", lambda path: Image.fromarray(noise("uint8")).convert("1").save(path), 0),
    "256 colours": ("png", palette(alpha=False), 0),
    "256 colours, one clear": ("png", palette(alpha=True), 0),
    "16 bits of grey": ("png", by_pillow(noise("uint16")), 1),
    "16 bits": ("png", by_oiio(SMOOTH[:, :, :3], oiio.UINT16), 1),
    "16 bits with alpha": ("png", by_oiio(SMOOTH, oiio.UINT16), 2),
    "JPEG": ("jpg", by_pillow(noise("uint8", 3), quality=90), 1),
    "JPEG of grey": ("jpg", by_pillow(noise("uint8")), 0),
    "turned JPEG": ("jpg", rotated, 1),
    "TIFF": ("tif", by_pillow(noise("uint8", 3)), 0),
    "TIFF with alpha": ("tif", by_pillow(noise("uint8", 4)), 1),
    "TIFF, compressed": ("tif", by_pillow(noise("uint8", 3), compression="tiff_lzw"), 0),
    "TIFF of 16 bits": ("tif", by_oiio(SMOOTH[:, :, :3], oiio.UINT16), 1),
    "BMP": ("bmp", by_pillow(noise("uint8", 3)), 0),
    "TGA": ("tga", by_pillow(noise("uint8", 3)), 0),
    "PPM": ("ppm", by_pillow(noise("uint8", 3)), 0),
    "PGM of 16 bits": ("ppm", by_pillow(noise("uint16")), 1),
}
"""The suffix, what writes it, and by how much a value may differ: 16 bits are rounded otherwise."""


@pytest.mark.parametrize("name", CASES)
def test_pixels_are_those_of_qt(reader: PictureReader, tmp_path: Path, name: str) -> None:
    """The suffix does not count: each is called .exr."""
    suffix, write, tolerance = CASES[name]
    written = tmp_path / f"a.{suffix}"
    write(written)
    expected = by_qt(written)
    named = written.rename(tmp_path / "a.exr")
    shown = pixels_of(reader.read(str(named)))
    assert shown.shape == expected.shape
    assert int(numpy.abs(shown.astype(int) - expected.astype(int)).max()) <= tolerance
    small = pixels_of(reader.read(str(named), fit=(20, 20)))
    assert max(small.shape[:2]) == 20
    assert numpy.abs(small.mean(axis=(0, 1)) - expected.mean(axis=(0, 1))).max() < 4


def test_a_narrow_picture_has_a_thumbnail(reader: PictureReader, tmp_path: Path) -> None:
    """Of one row or column at least; a small one is enlarged."""
    path = tmp_path / "a.png"
    for size, expected in ((3000, 1), (48, 1)), ((1, 3000), (1, 22)), ((12, 11), (24, 22)):
        Image.new("RGB", size, (255, 0, 0)).save(path)
        shown = pixels_of(reader.read(str(path), fit=(48, 22)))
        assert shown.shape == (expected[1], expected[0], 4)
        assert (shown == (255, 0, 0, 255)).all()


def test_a_picture_is_not_read_again_until_its_file_changes(reader: PictureReader, tmp_path: Path) -> None:
    """By size and time of its file."""
    path = tmp_path / "a.png"
    Image.new("RGB", (30, 20)).save(path)
    picture = reader.read(str(path))
    assert picture is not None
    assert reader.read(str(path), stamp=picture.stamp) is None
    Image.new("RGB", (31, 20)).save(path)
    again = reader.read(str(path), stamp=picture.stamp)
    assert again is not None and again.width == 31


def test_what_inflates_beside_the_pixels_is_an_error_alone(reader: PictureReader, tmp_path: Path) -> None:
    """A colour profile of 100 KB that inflates to 100 MB: Pillow has a limit of its own for it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    inflated = zlib.compressobj(9)
    profile = b"".join(inflated.compress(bytes(1 << 20)) for _ in range(100)) + inflated.flush()
    path = tmp_path / "a.png"
    Image.new("RGB", (30, 20)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk(b"iCCP", b"name\0\0" + profile) + content[33:])
    pid = reader.pid
    with pytest.raises(PictureError, match="large"):
        reader.read(str(path))
    assert reader.pid == pid


# --- EXR ---


def write_exr(path: Path, channels: dict[str, float], size: tuple[int, int] = (40, 20), **spec: int) -> str:
    """An EXR whose channels each have one value."""
    form = oiio.ImageSpec(*size, len(channels), oiio.HALF)
    form.channelnames = tuple(channels)
    for name, value in spec.items():
        setattr(form, name, value)
    picture = oiio.ImageBuf(form)
    pixels = numpy.empty((size[1], size[0], len(channels)), numpy.float32)
    pixels[:] = list(channels.values())
    assert picture.set_pixels(oiio.ROI(), pixels), picture.geterror()
    assert picture.write(str(path)), picture.geterror()
    return str(path)


@pytest.mark.parametrize("fit", [None, (20, 20)])
def test_linear_values_are_shown_as_srgb(
    reader: PictureReader, tmp_path: Path, fit: tuple[int, int] | None
) -> None:
    """Linear 0.2140 is half of sRGB; what is brighter than white is white; what is no number is black."""
    path = write_exr(tmp_path / "a.exr", {"R": 0.2140, "G": 4.0, "B": float("nan"), "A": 1.0})
    shown = pixels_of(reader.read(path, fit=fit))
    assert shown[5, 5].tolist() == pytest.approx([127, 255, 0, 255], abs=1)


def test_the_first_rgb_layer_is_shown(reader: PictureReader, tmp_path: Path) -> None:
    """Whatever comes before it: depth, or a layer that has no colours."""
    layered = {"Z": 9.0, "beauty.R": 1.0, "beauty.G": 0.0, "beauty.B": 0.0, "spec.R": 0.0, "spec.G": 1.0}
    shown = pixels_of(reader.read(write_exr(tmp_path / "a.exr", layered)))
    assert shown[5, 5].tolist() == [255, 0, 0, 255]
    shown = pixels_of(reader.read(write_exr(tmp_path / "z.exr", {"Z": 0.2140})))
    assert shown[5, 5].tolist() == pytest.approx([127, 127, 127, 255], abs=1)


def test_an_exr_has_the_size_of_its_display_window(reader: PictureReader, tmp_path: Path) -> None:
    """A crop is shown where it is, on black."""
    window = {"x": 10, "y": 5, "full_x": 0, "full_y": 0, "full_width": 80, "full_height": 60}
    path = write_exr(tmp_path / "a.exr", {"R": 1.0, "G": 1.0, "B": 1.0}, **window)
    shown = pixels_of(reader.read(path))
    assert shown.shape == (60, 80, 4)
    assert shown[1, 1].tolist() == [0, 0, 0, 255] and shown[10, 15].tolist() == [255, 255, 255, 255]
    assert pixels_of(reader.read(path, fit=(48, 22))).shape == (22, 29, 4)


def test_an_exr_is_found_by_its_content(reader: PictureReader, tmp_path: Path) -> None:
    """Whatever its name."""
    path = Path(write_exr(tmp_path / "a.exr", {"R": 1.0, "G": 0.0, "B": 0.0}))
    assert pixels_of(reader.read(str(path.rename(tmp_path / "a.png"))))[5, 5].tolist() == [255, 0, 0, 255]
