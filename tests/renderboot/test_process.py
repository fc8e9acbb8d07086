"""The render process itself: its log, its pictures, its exit codes, its end."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

from host.renderboot import check_files
from host.renderboot.picture import write_exr
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_dome,
    add_material,
    add_sphere,
    add_texture,
    bind,
    new_stage,
    read_png,
)

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "host.renderboot"]


@dataclass
class _Ended:
    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def _run(*arguments: object, **environment: str) -> _Ended:
    done = subprocess.run(
        [*COMMAND, *[str(argument) for argument in arguments]],
        cwd=ROOT,
        env={**os.environ, "KQ_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return _Ended(done.returncode, done.stdout.splitlines())


@pytest.fixture
def red_ball(tmp_path: Path) -> Path:
    """A stage file with a red ball in the middle of the picture."""
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    bind(add_sphere(stage, "/World/Ball"), add_material(stage, "/World/Red", diffuseColor=(0.8, 0.0, 0.0)))
    path = tmp_path / "red ball.usda"
    stage.Export(str(path))
    return path


SMALL = ("-width", 40, "-height", 40, "-samples", 4)


def test_several_frames_are_rendered_in_one_process(red_ball: Path, tmp_path: Path) -> None:
    """Each has its own file; progress is that of the whole; the check afterwards reads every file."""
    output = tmp_path / "ball.###.exr"
    ended = _run("-geolib3OpTree", red_ball, "-renderOutputFile", output, *SMALL, "-frame", "3-7x2")
    assert ended.code == 0, ended.text
    assert {path.name for path in tmp_path.glob("*.exr")} == {f"ball.00{frame}.exr" for frame in (3, 5, 7)}
    progress = [int(found) for found in re.findall(r"ALF_PROGRESS (\d+)%", ended.text)]
    assert progress == sorted(set(progress)) and progress[-1] == 100
    assert sum("mitsuba loaded" in line for line in ended.lines) == 1
    assert check_files.main(["picture", str(output), "3-7x2"]) == 0
    (tmp_path / "ball.005.exr").unlink()
    assert check_files.main(["picture", str(output), "3-7x2"]) == 1


def test_several_frames_need_a_file_each(red_ball: Path, tmp_path: Path) -> None:
    """Else each would overwrite the one before."""
    ended = _run("-geolib3OpTree", red_ball, "-renderOutputFile", tmp_path / "ball.exr", "-frame", "1-2")
    assert ended.code == 2 and "overwrite" in ended.text


def test_a_picture_comes_with_progress_and_timings(red_ball: Path, tmp_path: Path) -> None:
    """PNG and EXR, rising progress that ends at 100, the picture announced each time, times for each step."""
    output = tmp_path / "out" / "picture.png"
    ended = _run(
        "-renderer", "mitsuba", "-geolib3OpTree", red_ball, "-renderOutputFile", output, *SMALL, "-wobble", 3
    )
    assert ended.code == 0, ended.text
    picture = read_png(output)
    assert picture.shape == (40, 40, 3)
    texts = QImage(str(output))
    assert all(texts.text(name) for name in ("renderer", "camera", "samples")), texts.textKeys()
    assert picture[20, 20, 0] > 100 > picture[20, 20, 1]
    assert picture[2, 2].tolist() == [255, 255, 255]
    assert output.with_suffix(".exr").stat().st_size > 0
    assert sorted(path.name for path in output.parent.iterdir()) == ["picture.exr", "picture.png"]
    percents = [int(line.split()[1].rstrip("%")) for line in ended.lines if line.startswith("ALF_PROGRESS")]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert ended.lines.count(f"kq_picture: {output}") >= 2
    assert [line for line in ended.lines if line.startswith("WARNING: ") and line.endswith(" -wobble")]
    for step in ("renderer mitsuba loaded", "stage read", "scene translated", "rendered"):
        assert f"{step}: " in ended.text


def test_an_exr_may_be_asked_for(red_ball: Path, tmp_path: Path) -> None:
    """Then the PNG beside it is what is announced while it renders."""
    ended = _run("-geolib3OpTree", red_ball, "-renderOutputFile", tmp_path / "a.exr", *SMALL)
    assert ended.code == 0, ended.text
    assert (tmp_path / "a.exr").read_bytes()[:4] == b"\x76\x2f\x31\x01"
    assert f"kq_picture: {tmp_path / 'a.png'}" in ended.lines


def test_the_exr_says_what_it_shows(red_ball: Path, tmp_path: Path) -> None:
    """Scene, node, frame, renderer, camera, samples, time; the shape of pixels and the window."""
    import OpenImageIO as oiio  # noqa: N813
    from pxr import Gf, Usd, UsdRender

    stage = Usd.Stage.Open(str(red_ball))
    settings = UsdRender.Settings.Define(stage, "/Render/S")
    settings.CreatePixelAspectRatioAttr(2.0)
    settings.CreateDataWindowNDCAttr(Gf.Vec4f(0.25, 0.0, 1.5, 0.5))
    stage.GetRootLayer().Save()
    output = tmp_path / "a.exr"
    ended = _run(
        "-geolib3OpTree",
        red_ball,
        "-renderOutputFile",
        output,
        "-nodeName",
        "Ball\u00e9",
        "-frame",
        7,
        *SMALL,
    )
    assert ended.code == 0, ended.text
    spec = oiio.ImageInput.open(str(output)).spec()
    found = {name: spec.getattribute(name) for name in ("scene", "node", "frame", "camera", "samples")}
    assert found == {
        "scene": str(red_ball),
        "node": "Ball\u00e9",
        "frame": 7.0,
        "camera": "/World/Camera",
        "samples": 4,
    }
    assert spec.getattribute("renderer").startswith("mitsuba 3")
    assert spec.getattribute("renderTime") > 0
    assert spec.getattribute("PixelAspectRatio") == 2.0
    assert (spec.x, spec.y, spec.width, spec.height) == (10, 20, 50, 20)
    assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (0, 0, 40, 40)
    picture = read_png(tmp_path / "a.png")
    assert picture.shape == (40, 40, 3)
    assert picture[:20].max() == 0
    assert picture[30, :10].max() == 0 < picture[30, 10:].max()


def test_an_exr_texture_is_read_by_a_render_that_has_one_thread(tmp_path: Path) -> None:
    """mitsuba itself would wait for ever for its thread pool, which has no thread then."""
    write_exr(tmp_path / "green.exr", np.full((40, 40, 4), (0.0, 0.8, 0.0, 1.0), np.float32))
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    add_card(stage, "/World/Card")
    bind(stage.GetPrimAtPath("/World/Card"), add_material(stage, "/World/M"))
    add_texture(stage, "/World/M", "diffuseColor", tmp_path / "green.exr")
    stage.Export(str(tmp_path / "scene.usda"))
    output = tmp_path / "a.png"
    ended = _run("-geolib3OpTree", tmp_path / "scene.usda", "-renderOutputFile", output, *SMALL)
    assert ended.code == 0, ended.text
    assert ", 1 thread" in ended.text
    assert read_png(output)[20, 20].argmax() == 1


def _follow_until(process: subprocess.Popen[str], start: str) -> list[str]:
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(start):
            return lines
    raise AssertionError("ended before the line came:\n" + "\n".join(lines))


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM cannot be heard there; CTRL_BREAK takes the same path")
@pytest.mark.parametrize(
    ("which", "method"),
    [(signal.SIGTERM, "previewRender"), (signal.SIGINT, "previewRender"), (signal.SIGTERM, "diskRender")],
)
def test_a_stop_leaves_a_partial_picture(
    red_ball: Path, tmp_path: Path, which: signal.Signals, method: str
) -> None:
    """Stopped after the first of a million samples: exit code 143, the picture and the message.

    A disk render leaves no EXR: one is taken for a whole frame.
    """
    output = tmp_path / "picture.png"
    arguments = ["-geolib3OpTree", str(red_ball), "-renderOutputFile", str(output), "-samples", "1000000"]
    with subprocess.Popen(
        [*COMMAND, *arguments, "-width", "200", "-height", "200", "-renderMethodType", method],
        cwd=ROOT,
        env={**os.environ, "KQ_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        _follow_until(process, "kq_picture:")
        output.unlink()
        process.send_signal(which)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 143, rest
    last = rest.strip().splitlines()[-1]
    assert re.search(r"\b\d+ of 1000000 samples$", last)
    assert read_png(output)[100, 100, 0] > 100
    assert output.with_suffix(".exr").exists() is (method == "previewRender")


def test_bad_input_gives_one_message(tmp_path: Path, red_ball: Path) -> None:
    """What was wrong is the log's last line, and no traceback comes with it."""
    (tmp_path / "text.usda").write_text("hello")
    (tmp_path / "list.txt").write_text("hello")
    (tmp_path / "empty.usda").write_text("#usda 1.0\n")
    blocked = tmp_path / "text.usda" / "picture.png"
    cases = (
        (["-geolib3OpTree", tmp_path / "none.usda"], 1, "none.usda"),
        (["-geolib3OpTree", tmp_path / "text.usda"], 1, "text.usda"),
        (["-geolib3OpTree", tmp_path / "list.txt"], 1, "list.txt"),
        (["-geolib3OpTree", tmp_path / "empty.usda"], 1, "empty.usda"),
        (["-geolib3OpTree", red_ball, "-renderer", "prman"], 2, "'prman'"),
        (["-geolib3OpTree", red_ball, "-samples", "x"], 2, "-samples "),
        (["-geolib3OpTree", red_ball, "-renderOutputFile", blocked, *SMALL], 1, str(blocked)),
    )
    for arguments, code, named in cases:
        ended = _run(*arguments)
        assert ended.code == code, ended.text
        assert ended.lines[-1].startswith("ERROR: "), ended.text
        assert named in ended.lines[-1]
        assert "Traceback" not in ended.text


def test_a_renderer_that_is_not_installed_is_told(red_ball: Path, tmp_path: Path) -> None:
    """The plug-in is here and its engine is not: the message says what to install."""
    (tmp_path / "mitsuba.py").write_text(
        "raise ModuleNotFoundError('No module named mitsuba', name='mitsuba')"
    )
    ended = _run("-geolib3OpTree", red_ball, *SMALL, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert ended.code == 1
    assert ended.lines[-1].startswith("ERROR: ") and "pip install mitsuba" in ended.lines[-1]


def test_a_failure_comes_with_what_was_missing(tmp_path: Path) -> None:
    """Nothing to render, since the only reference is broken: the warning stands above the error."""
    (tmp_path / "a.usda").write_text(
        '#usda 1.0\ndef "A" (references = @./gone.usda@) {\n}\ndef Mesh "M" {\n}\n'
    )
    ended = _run("-geolib3OpTree", tmp_path / "a.usda", "-renderOutputFile", tmp_path / "a.png", *SMALL)
    assert ended.code == 1
    warnings = [line for line in ended.lines if line.startswith("WARNING: ")]
    assert any("gone.usda" in line for line in warnings)
    assert any(line.endswith(": /M") for line in warnings)
    assert ended.lines[-1].startswith("ERROR: ")


def test_broken_references_are_warnings(tmp_path: Path) -> None:
    """A missing reference and a missing texture are named, and the rest is drawn."""
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    add_card(stage, "/World/Card")
    bind(stage.GetPrimAtPath("/World/Card"), add_material(stage, "/World/M"))
    add_texture(stage, "/World/M", "diffuseColor", "./lost.png")
    layer = stage.GetRootLayer().ExportToString()
    lines = layer.replace(
        'def Xform "World"', 'def "Gone" (references = @./gone.usda@) {}\ndef Xform "World"'
    )
    (tmp_path / "scene.usda").write_text(lines)
    output = tmp_path / "a.png"
    ended = _run("-geolib3OpTree", tmp_path / "scene.usda", "-renderOutputFile", output, *SMALL)
    assert ended.code == 0, ended.text
    for lost in ("gone.usda", "lost.png"):
        assert [line for line in ended.lines if line.startswith("WARNING: ") and lost in line], ended.text
    assert "Warning: in" not in ended.text
    assert output.exists()


def _standby(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, "--standby"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "kq_standby: ready\n"
    return process


@pytest.mark.parametrize(
    ("frame", "output", "pictures"), [("1", "here.png", ["here.png"]), ("1-2", "#.png", ["1.png", "2.png"])]
)
def test_a_standby_renders_the_job_it_is_given(
    red_ball: Path, tmp_path: Path, frame: str, output: str, pictures: list[str]
) -> None:
    """Its log, working folder and environment are the job's; nothing more is said on its own pipes."""
    work = tmp_path / "work"
    work.mkdir()
    log = tmp_path / "job.log"
    log.write_text("first line\n")
    argv = ["-geolib3OpTree", str(red_ball), "-renderOutputFile", output, *[str(word) for word in SMALL]]
    argv += ["-frame", frame]
    job = {"argv": argv, "cwd": str(work), "env": {"KQ_THREADS": "1"}, "log": str(log)}
    with _standby(tmp_path) as process:
        out, err = process.communicate(json.dumps(job) + "\n", timeout=60)
    assert process.returncode == 0, log.read_text()
    assert (out, err) == ("kq_standby: taken\n", "")
    assert sorted(path.name for path in work.glob("*.png")) == pictures
    assert all(np.ptp(read_png(work / name)) > 0 for name in pictures)
    lines = log.read_text().splitlines()
    assert lines[0] == "first line"
    assert "ALF_PROGRESS 100%" in lines
    assert any(", 1 thread" in line for line in lines)
    assert b"\r\r" not in log.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no process there can be sent a SIGSEGV")
def test_a_crash_is_named_in_the_log(tmp_path: Path) -> None:
    """With where it was, by Python itself: a renderer's library that crashes can write nothing any more."""
    with _standby(tmp_path) as process:
        process.send_signal(signal.SIGSEGV)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in err and "host/renderboot" in err


def test_a_standby_that_is_not_needed_leaves_quietly(tmp_path: Path) -> None:
    """The end of its stdin is the end of it."""
    with _standby(tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_standby_whose_log_cannot_be_opened_takes_nothing(red_ball: Path, tmp_path: Path) -> None:
    """Whoever gave it the job learns that it was not taken, and starts it by other means."""
    job = {"argv": ["-geolib3OpTree", str(red_ball)], "log": str(tmp_path / "no folder" / "log")}
    with _standby(tmp_path) as process:
        out, err = process.communicate(json.dumps(job) + "\n", timeout=60)
    assert (process.returncode, out) == (2, "")
    assert job["log"] in err and os.strerror(errno.ENOENT) in err


def test_a_standby_tells_a_bad_job(tmp_path: Path) -> None:
    """A line that is no job gives a message and the exit code for bad arguments."""
    with _standby(tmp_path) as process:
        _, err = process.communicate("[1, 2]\n", timeout=30)
    assert process.returncode == 2
    assert err.startswith("ERROR: ") and "JSON" in err and "Traceback" not in err
