"""One render, with a renderer whose pace the test sets."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from host.renderboot import job
from host.renderboot.arguments import Arguments
from host.renderboot.cache import PartCache
from host.renderboot.diagnostics import Diagnostics
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
