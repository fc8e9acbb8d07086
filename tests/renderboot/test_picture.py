"""Picture files, read back by other programs' readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from host.renderboot.errors import RenderBootError
from host.renderboot.metadata import png_texts
from host.renderboot.picture import png, write_exr, write_png
from host.renderboot.renderers.mitsuba.engine import dr, mi
from tests.renderboot.stages import read_png


def _ramp(height: int = 37, width: int = 23) -> np.ndarray:
    pixels = np.random.default_rng(1).random((height, width, 4)).astype(np.float32)
    pixels[0, 0] = (0.0, 0.18, 1.0, 1.0)
    return pixels


def test_png_is_srgb(tmp_path: Path) -> None:
    """Middle grey becomes 118, 0 and 1 stay the ends, and every pixel keeps its place."""
    pixels = _ramp()
    write_png(tmp_path / "a.png", pixels)
    back = read_png(tmp_path / "a.png")
    assert back.shape == (37, 23, 3)
    assert back[0, 0].tolist() == [0, 118, 255]
    linear = back / 255.0
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    assert np.abs(linear - pixels[..., :3]).max() < 0.01


def test_png_survives_values_that_are_no_colours(tmp_path: Path) -> None:
    """Not-a-number becomes black, infinity white."""
    pixels = np.zeros((2, 2, 4), np.float32)
    pixels[0, 0], pixels[1, 1] = np.nan, np.inf
    write_png(tmp_path / "a.png", pixels)
    back = read_png(tmp_path / "a.png")
    assert back[0, 0].tolist() == [0, 0, 0]
    assert back[1, 1].tolist() == [255, 255, 255]


def test_a_png_has_texts(tmp_path: Path) -> None:
    """Which other programs read, with letters of any language."""
    (tmp_path / "a.png").write_bytes(png(_ramp(), {"camera": "/World/Frön-カメラ", "samples": 16}))
    image = QImage(str(tmp_path / "a.png"))
    assert (image.text("camera"), image.text("samples")) == ("/World/Frön-カメラ", "16")
    assert (image.width(), image.height()) == (23, 37)


def test_frame_0_is_in_the_header_too() -> None:
    """It is a frame as any other; 0 samples are a picture's that has none yet."""
    assert png_texts({"frame": 0.0, "samples": 0, "node": "Render"}) == {"frame": 0.0, "node": "Render"}


def test_a_png_that_is_not_wanted_any_more_is_given_up() -> None:
    """A change of a live scene does not wait for the picture before it: it is asked for every few lines."""
    asked = []
    assert png(_ramp(200), is_cancelled=lambda: asked.append(1) or len(asked) > 2) == b""  # type: ignore[func-returns-value]
    assert len(asked) == 3


def test_exr_keeps_light_above_white(tmp_path: Path) -> None:
    """Half floats, linear, alpha included, over more than one block of lines."""
    pixels = _ramp() * 50.0
    write_exr(tmp_path / "a.exr", pixels)
    # A test before this one may have drawn with one thread, with which mitsuba waits for ever for an EXR.
    dr.set_thread_count(2)
    back = np.array(
        mi.Bitmap(str(tmp_path / "a.exr")).convert(mi.Bitmap.PixelFormat.RGBA, mi.Struct.Type.Float32)
    )
    assert back.shape == pixels.shape
    assert np.allclose(back, pixels, rtol=1e-3)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One message with the path, and no draft left beside it."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RenderBootError, match=r"file[/\\]a\.png'"):
        write_png(tmp_path / "file" / "a.png", _ramp())
    (tmp_path / "a.png").mkdir()
    with pytest.raises(RenderBootError, match=r"a\.png'"):
        write_png(tmp_path / "a.png", _ramp())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "file"]


def test_a_picture_that_is_being_looked_at_is_replaced(tmp_path: Path) -> None:
    """Windows refuses that while another program has it open: the new one waits for a moment."""
    path = tmp_path / "a.png"
    write_png(path, _ramp())
    old = path.read_bytes()
    with ThreadPoolExecutor(1) as writer:
        with path.open("rb") as reader:
            done = writer.submit(write_png, path, _ramp()[:, ::-1])
            wait([done], 0.3)
            assert reader.read() == old
        done.result(30.0)
    assert path.read_bytes() != old
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
