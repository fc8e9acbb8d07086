"""One render, with a renderer whose pace the test sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from host.renderboot import job
from host.renderboot.arguments import Arguments
from host.renderboot.cache import PartCache
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.errors import EXIT_STOPPED
from host.renderboot.picture import Pixels
from host.renderboot.scene import Scene
from tests.renderboot.stages import add_card, new_stage, read_png


class SlowPicture:
    """Black until its coarse picture is there, which takes so long that progress is looked at three times."""

    def __init__(self) -> None:
        self._looks = threading.Semaphore(0)
        self._pixels = np.zeros((2, 2, 4), np.float32)

    def render_preview(self) -> None:
        for _ in range(3):
            assert self._looks.acquire(timeout=30)
        self._pixels += np.float32(1.0)

    def render_pass(self, samples: int) -> None:
        pass

    def cancel(self) -> None:
        pass

    def samples_done(self) -> float:
        self._looks.release()
        return 0.0

    def pixels(self) -> Pixels:
        return self._pixels.copy()

    def denoised(self, is_cancelled: Callable[[], bool]) -> Pixels | None:
        return None


class SlowRenderer:
    name = "slow"
    version = "1"

    def prepare(
        self, scene: Scene, threads: int, diagnostics: Diagnostics, cache: PartCache | None = None
    ) -> SlowPicture:
        return SlowPicture()

    def prefetch_parts(self, scene: Scene, threads: int, cache: PartCache) -> None:
        pass


def test_the_first_picture_is_not_a_black_one(tmp_path: Path) -> None:
    """However long the coarse picture takes, nothing is shown before it."""
    stage = new_stage()
    add_card(stage, "/World/Card")
    stage.GetRootLayer().Export(str(tmp_path / "scene.usda"))
    output = tmp_path / "picture.png"
    shown: list[int] = []

    class Report(job.Report):
        def picture(self, path: str) -> None:
            shown.append(int(read_png(Path(path)).max()))

    arguments = Arguments(stage=tmp_path / "scene.usda", output=output, samples=1)
    assert job.run(arguments, SlowRenderer(), Report()) == 0
    assert shown
    assert set(shown) == {255}


class PacedPicture(SlowPicture):
    """Takes a time of its own for each pass, and notes their samples."""

    def __init__(self, pause_s: float, passes: list[int]) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._noted = passes

    def render_preview(self) -> None:
        pass

    def render_pass(self, samples: int) -> None:
        self._noted.append(samples)
        time.sleep(self._pause_s)  # a slow machine; nothing waits for it


class PacedRenderer(SlowRenderer):
    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self.passes: list[int] = []

    def prepare(
        self, scene: Scene, threads: int, diagnostics: Diagnostics, cache: PartCache | None = None
    ) -> PacedPicture:
        return PacedPicture(self._pause_s, self.passes)


def test_a_slow_machine_renders_the_same_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a frame has the same noise wherever it is rendered."""
    monkeypatch.setattr(job, "_LONGEST_PASS_S", 0.02)
    monkeypatch.setattr(job, "_LONGEST_PASS_SAMPLES", 8 * 20 * 10)
    stage = new_stage()
    add_card(stage, "/World/Card")
    stage.GetRootLayer().Export(str(tmp_path / "scene.usda"))
    arguments = Arguments(
        stage=tmp_path / "scene.usda",
        output=tmp_path / "picture.exr",
        method="diskRender",
        width=20,
        height=10,
        samples=30,
    )
    fast, slow = PacedRenderer(0.0), PacedRenderer(0.05)
    for renderer in (fast, slow):
        assert job.run(arguments, renderer) == 0
    assert fast.passes == slow.passes == [1, 1, 2, 4, 8, 8, 6]


@pytest.mark.parametrize("method", ["previewRender", "diskRender"])
def test_a_stop_before_anything_is_rendered_writes_no_picture(tmp_path: Path, method: str) -> None:
    """A black one would replace that of an earlier render."""
    stage = new_stage()
    add_card(stage, "/World/Card")
    stage.GetRootLayer().Export(str(tmp_path / "scene.usda"))
    output = tmp_path / "picture.png"
    output.write_bytes(b"that of an earlier render")
    arguments = Arguments(stage=tmp_path / "scene.usda", output=output, method=method, samples=1)

    class StoppedPicture(SlowPicture):
        def render_preview(self) -> None:
            stopped._on_signal()

    class StoppedRenderer(SlowRenderer):
        def prepare(self, *_arguments: object) -> StoppedPicture:
            return StoppedPicture()

    stopped = job._Job(arguments, StoppedRenderer(), job.Report(), None)
    assert stopped.run() == EXIT_STOPPED
    assert output.read_bytes() == b"that of an earlier render"
    assert not output.with_suffix(".exr").exists()


def test_a_folder_that_is_made_for_the_first_picture_has_lost_none(tmp_path: Path) -> None:
    """It is named, since other processes may have written to it; only a later one has lost pictures."""
    stage = new_stage()
    add_card(stage, "/World/Card")
    stage.GetRootLayer().Export(str(tmp_path / "scene.usda"))
    folder = tmp_path / "new"
    warnings: list[str] = []

    class Report(job.Report):
        def warn(self, text: str) -> None:
            warnings.append(text)

    report = Report()
    for frame in (1, 2):
        output = folder / f"picture.{frame}.png"
        arguments = Arguments(stage=tmp_path / "scene.usda", output=output, method="diskRender", samples=1)
        assert job.run(arguments, PacedRenderer(0.0), report) == 0
        folder.rename(tmp_path / f"away {frame}")
    first, second = warnings
    assert str(folder) in first and "pictures" not in first
    assert str(folder) in second and "pictures" in second
