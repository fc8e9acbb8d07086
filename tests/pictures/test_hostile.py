"""Files that a render names to harm the desktop, read by the real process: each gets a reason."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy
import OpenImageIO as oiio  # noqa: N813
import pytest

from kq.pictures.open_file import PictureError, open_regular, read_bounded
from kq.pictures.reader import PictureReader
from tests.support.hostile_pictures import HOSTILE, truncated_tiff, write_picture


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("fit", [None, (48, 22)])
def test_each_gets_its_reason_from_a_process_that_lives_on(
    reader: PictureReader, tmp_path: Path, name: str, fit: tuple[int, int] | None
) -> None:
    """As a whole picture and as a thumbnail."""
    make, reason = HOSTILE[name]
    pid = reader.pid
    with pytest.raises(PictureError, match=reason):
        reader.read(make(tmp_path), fit=fit)
    assert reader.pid == pid


@pytest.mark.parametrize("form", ["png", "jpg", "bmp", "ppm", "tga", "tif", "exr"])
def test_a_truncated_picture_of_any_format_is_an_error(
    reader: PictureReader, tmp_path: Path, form: str
) -> None:
    """Perhaps it is being written: cut at its begin, in its middle and near its end."""
    picture = oiio.ImageBuf(oiio.ImageSpec(300, 200, 3, oiio.UINT8 if form != "exr" else oiio.HALF))
    noise = numpy.random.default_rng(1).random((200, 300, 3), numpy.float32)
    assert picture.set_pixels(oiio.ROI(), noise)
    whole = tmp_path / f"whole.{form}"
    assert picture.write(str(whole)), picture.geterror()
    content = whole.read_bytes()
    part = tmp_path / "part"
    for size in (1, 6, 60, len(content) // 2, len(content) * 9 // 10):
        part.write_bytes(content[:size])
        with pytest.raises(PictureError, match=r"damaged|PNG"):
            reader.read(str(part))
    assert reader.read(str(whole)) is not None


def test_a_truncated_tiff_is_refused(reader: PictureReader, tmp_path: Path) -> None:
    """Its directory is at its end."""
    with pytest.raises(PictureError, match="damaged"):
        reader.read(truncated_tiff(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the opening. In this process, in which the moment can be chosen."""
    real, path = os.stat, write_picture(tmp_path / "a.png")

    def swapping(name: str, *rest: object, **named: object) -> os.stat_result:
        status = real(name, *rest, **named)  # type: ignore[arg-type]
        if name == str(path):
            path.unlink()
            os.mkfifo(path)
        return status

    monkeypatch.setattr(os, "stat", swapping)
    with pytest.raises(PictureError, match="regular"):
        open_regular(str(path))


@pytest.mark.parametrize("size", [0, 5, 1000])
def test_no_more_is_read_than_the_size_that_was_checked(tmp_path: Path, size: int) -> None:
    """Files of /proc have none, and go on; others may grow after the check."""
    path = tmp_path / "growing"
    path.write_bytes(bytes(5000))
    with open_regular(str(path)) as file:
        assert len(read_bounded(file, size).getvalue()) == size


def test_a_file_that_grows_is_read_as_long_as_it_was(reader: PictureReader, tmp_path: Path) -> None:
    """Each read finds more: a reader that goes on to the end never comes back."""
    path = write_picture(tmp_path / "a.png", 900, 700)
    ends = threading.Event()

    def write() -> None:
        written = 0
        with path.open("ab", buffering=0) as grow:
            while not ends.is_set() and written < 300 << 20:
                written += grow.write(bytes(1 << 20))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        picture = reader.read(str(path))
        assert picture is not None and (picture.width, picture.height) == (900, 700)
    finally:
        ends.set()
        writer.join()


def test_an_exr_that_announces_too_much_is_refused(reader: PictureReader, tmp_path: Path) -> None:
    """Its display window counts, too: what is shown is as large as that."""
    form = oiio.ImageSpec(8, 8, 3, oiio.HALF)
    form.full_width = form.full_height = 60_000
    picture = oiio.ImageBuf(form)
    assert picture.set_pixels(oiio.ROI(), numpy.ones((8, 8, 3), numpy.float32))
    path = tmp_path / "a.exr"
    assert picture.write(str(path)), picture.geterror()
    with pytest.raises(PictureError, match="60,000 x 60,000"):
        reader.read(str(path), fit=(48, 22))


def test_a_path_that_is_no_text_is_an_error(reader: PictureReader) -> None:
    """Bytes of a file name that are not UTF-8."""
    with pytest.raises(PictureError, match="path"):
        reader.read("/tmp/a\udcff.png")
