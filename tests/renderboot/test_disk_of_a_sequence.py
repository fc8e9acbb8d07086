"""The disk of a sequence becomes full, or its folder goes away, while it renders: real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.renderboot import check_files
from tests.renderboot.stages import add_camera, add_dome, add_sphere, new_stage, read_png
from tests.support.small_disk import small_disk

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a tmpfs")


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A stage file with a ball."""
    made = new_stage()
    add_camera(made)
    add_dome(made)
    add_sphere(made, "/World/Ball")
    path = tmp_path / "ball.usda"
    made.Export(str(path))
    return path


def started(stage: Path, output: Path, frames: str) -> subprocess.Popen[str]:
    """A render of frames of 100 by 100 pixels."""
    size = ("-width", "100", "-height", "100", "-samples", "2")
    asked = ("-geolib3OpTree", str(stage), "-renderOutputFile", str(output), "-frame", frames)
    return subprocess.Popen(
        [sys.executable, "-m", "host.renderboot", *asked, *size, "-renderMethodType", "diskRender"],
        cwd=ROOT,
        env={**os.environ, "KQ_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_on_a_full_disk_the_frame_fails_and_those_before_are_whole(stage: Path, tmp_path: Path) -> None:
    """The log names file and reason; no part of a file is left; with room again the rest is rendered."""
    with small_disk(tmp_path, "size=48k") as disk:
        output = disk / "ball.###.exr"
        render = started(stage, output, "1-9")
        log, _ = render.communicate(timeout=60)
        assert render.returncode == 1, log
        [error] = [line for line in log.splitlines() if line.startswith("ERROR")]
        assert str(disk) in error and "No space left on device" in error
        whole = sorted(disk.glob("*.exr"))
        assert 0 < len(whole) < 9
        assert check_files.main(["picture", str(output), f"1-{len(whole)}"]) == 0
        for picture in disk.glob("*.png"):
            assert read_png(picture).shape == (100, 100, 3)
        assert {path.suffix for path in disk.iterdir()} == {".exr", ".png"}
        subprocess.run(["mount", "-o", "remount,size=2m", str(disk)], check=True)
        render = started(stage, output, f"{len(whole) + 1}-9")
        log, _ = render.communicate(timeout=60)
        assert render.returncode == 0, log
        assert check_files.main(["picture", str(output), "1-9"]) == 0


def test_a_folder_that_goes_away_is_made_again_with_a_warning(stage: Path, tmp_path: Path) -> None:
    """The frames after it are rendered; what is missing is the artist's to restart."""
    folder, away = tmp_path / "out", tmp_path / "away"
    folder.mkdir()
    render = started(stage, folder / "ball.###.exr", "1-40")
    assert render.stdout is not None
    log = []
    for line in render.stdout:
        log.append(line)
        if "done:" in line and not away.exists():
            folder.rename(away)
    assert render.wait(60) == 0, "".join(log)
    assert any(line.startswith("WARNING") and str(folder) in line for line in log)
    frames = {path.name for path in (*away.glob("*.exr"), *folder.glob("*.exr"))}
    assert frames == {f"ball.{frame:03d}.exr" for frame in range(1, 41)}


def test_a_folder_that_went_away_between_two_processes_is_made_with_a_warning(
    stage: Path, tmp_path: Path
) -> None:
    """By default each frame is a task: the process that finds no folder has written no picture itself."""
    folder = tmp_path / "out"
    folder.mkdir()
    logs = []
    for frame in ("1", "2"):
        render = started(stage, folder / "ball.#.exr", frame)
        log, _ = render.communicate(timeout=60)
        assert render.returncode == 0, log
        logs.append([line for line in log.splitlines() if line.startswith("WARNING")])
        folder.rename(tmp_path / f"away {frame}")
    assert logs[0] == []
    [warning] = logs[1]
    assert str(folder) in warning
