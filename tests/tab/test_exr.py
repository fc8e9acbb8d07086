"""EXR pictures in the tab: real files, read as an artist expects to see them."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy
import OpenImageIO as oiio  # noqa: N813
import pytest
from katana_queue.plugins.Tabs.KatanaQueue.models.exr import MISSING, ExrError, read_exr
from PySide6.QtCore import QSize

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle


def write(path: Path, channels: dict[str, float], size: tuple[int, int] = (40, 20), **spec: int) -> str:
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


def colour(path: str, size: QSize | None = None, at: tuple[int, int] = (5, 5)) -> tuple[int, int, int]:
    pixel = read_exr(path, size).pixelColor(*at)
    return pixel.red(), pixel.green(), pixel.blue()


@pytest.mark.parametrize("size", [None, QSize(20, 20)])
def test_linear_values_are_shown_as_srgb(tmp_path: Path, size: QSize | None) -> None:
    """Linear 0.2140 is half of sRGB; what is brighter than white is white; what is no number is black."""
    path = write(tmp_path / "a.exr", {"R": 0.2140, "G": 4.0, "B": float("nan"), "A": 1.0})
    assert colour(path, size) == pytest.approx((127, 255, 0), abs=1)


def test_the_first_rgb_layer_is_shown(tmp_path: Path) -> None:
    """Whatever comes before it: depth, or a layer that has no colours."""
    layered = {"Z": 9.0, "beauty.R": 1.0, "beauty.G": 0.0, "beauty.B": 0.0, "spec.R": 0.0, "spec.G": 1.0}
    path = write(tmp_path / "a.exr", layered)
    assert colour(path) == (255, 0, 0)
    assert colour(write(tmp_path / "z.exr", {"Z": 0.2140})) == pytest.approx((127, 127, 127), abs=1)


def test_a_picture_has_the_size_of_its_display_window(tmp_path: Path) -> None:
    """A crop is shown where it is, on black."""
    window = {"x": 10, "y": 5, "full_x": 0, "full_y": 0, "full_width": 80, "full_height": 60}
    path = write(tmp_path / "a.exr", {"R": 1.0, "G": 1.0, "B": 1.0}, **window)
    assert read_exr(path).size() == QSize(80, 60)
    assert colour(path, at=(1, 1)) == (0, 0, 0)
    assert colour(path, at=(15, 10)) == (255, 255, 255)
    assert read_exr(path, QSize(48, 22)).size() == QSize(29, 22)


@pytest.mark.parametrize("content", [b"", b"no picture", b"v/1\x01\x02\0\0\0"])
def test_what_is_no_picture_yet_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Empty, something else, or half written."""
    path = tmp_path / "a.exr"
    path.write_bytes(content)
    with pytest.raises(ExrError):
        read_exr(str(path))


def test_without_openimageio_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a Katana that does not have it the tab says what to install."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "OpenImageIO":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExrError, match=MISSING):
        read_exr(str(tmp_path / "a.exr"))


def test_the_tab_shows_an_exr_as_thumbnail_and_picture(
    tab: Any, queue: FakeQueue, settle: Settle, tmp_path: Path
) -> None:
    """As it shows a PNG."""
    path = write(tmp_path / "a.exr", {"R": 1.0, "G": 0.0, "B": 0.0}, (96, 44))
    queue.change([make_job(1, picture=path)])
    settle(lambda: tab.pictures.thumbnail(path, 1.0) is not None)
    assert tab.pictures.thumbnail(path, 1.0).toImage().pixelColor(4, 4).red() == 255
    tab.details.show_page("Picture")
    settle(lambda: "96 × 44" in tab.picture.title)
