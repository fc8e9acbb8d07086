"""Bundles of jobs of many shapes: OpenJD's own model accepts them, and its command runs their frames."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openjd.model import decode_job_template

from kq.cli import main
from kq.errors import BadInput, Refused
from kq.farms.job_folder import FarmJob, JobFolder
from kq.openjd.bundle import FILE_LIST, write_bundle
from kq.openjd.paths import BundlePaths
from kq.openjd.template import RUNNER, parameter_values, template
from kq.openjd.variables import choose_variables
from kq.records import JobSpec, new_job_id
from tests.openjd.test_render import openjd

_ECHO = "import sys; print('ran', *sys.argv[1:], flush=True)"


def accepted(document: dict[str, object]) -> None:
    """Raise unless OpenJD's model takes it, as `openjd check` does."""
    supported = [str(each) for each in document.get("extensions", [])]  # type: ignore[attr-defined]
    decode_job_template(template=json.loads(json.dumps(document)), supported_extensions=supported)


def made_template(spec: JobSpec) -> dict[str, object]:
    paths = BundlePaths(spec, spec.environment)
    return template("abcd", spec, paths, RUNNER.read_text(encoding="utf-8"), has_scene=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frames", "chunk", "arguments", "expected"),
    [
        ("", 1, ["{frame}"], ["{frame}"]),
        ("1-3,7", 1, ["{frame:03d}"], ["001", "002", "003", "007"]),
        ("1-5,20", 3, ["{start}", "{end}"], ["1 3", "4 5", "20 20"]),
        ("1-9x2", 3, ["{start}", "{end}", "{step}"], ["1 5 2", "7 9 2"]),
        ("1-9x4", 3, ["{start}", "{end}"], ["1 1", "5 5", "9 9"]),
        (
            "1-5,9",
            3,
            ["{start}-{end}x{step}", "a.####.exr"],
            [f"{each} a.####.exr" for each in ("1-3x1", "4-5x1", "9-9x1")],
        ),
        ("-3--1", 2, ["{start}", "{end}"], ["-3 -2", "-1 -1"]),
    ],
)
def test_openjd_runs_the_frames_that_kq_runs(
    tmp_path: Path, frames: str, chunk: int, arguments: list[str], expected: list[str]
) -> None:
    """Alone, in chunks, with steps and gaps, below zero."""
    command = (sys.executable, "-S", "-c", _ECHO, *arguments)
    spec = JobSpec(name="job", commands=(command,), frames=frames, chunk=chunk)
    if frames:
        firsts = [int(re.findall(r"-?\d+", text)[0]) for text in expected]
        assert [each[0] for each in spec.chunks() or ()] == firsts
    write_bundle("abcd", spec, tmp_path / "bundle")
    done = openjd("run", str(tmp_path / "bundle" / "template.json"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split("ran ", 1)[1] for line in done.stdout.splitlines() if "\tran " in line]
    assert lines == expected


@pytest.mark.slow
@pytest.mark.parametrize("frames", ["1-9x2,2-8x2", "1,9,5,3,2,7,4,6,8", "4-9,1-3"])
def test_openjd_runs_frames_in_any_order(tmp_path: Path, frames: str) -> None:
    """Ascending. It refuses ranges that overlap, such as odd frames first, but only as it runs."""
    command = (sys.executable, "-S", "-c", _ECHO, "{frame}")
    spec = JobSpec(name="job", commands=(command,), frames=frames)
    write_bundle("abcd", spec, tmp_path / "bundle")
    done = openjd("run", str(tmp_path / "bundle" / "template.json"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split("ran ", 1)[1] for line in done.stdout.splitlines() if "\tran " in line]
    assert lines == [str(frame) for frame in range(1, len(lines) + 1)] and len(lines) in (8, 9)


def test_frames_that_are_named_one_by_one_are_a_range() -> None:
    """As the desktop names them: a range is short enough for a parameter."""
    frames = ",".join(map(str, range(1001, 2001)))
    made = made_template(JobSpec(name="job", commands=(("a", "{frame}"),), frames=frames))
    assert made["parameterDefinitions"][0] == {"name": "Frames", "type": "STRING", "default": "1001-2000"}  # type: ignore[index]


_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    name=_TEXTS,
    words=st.lists(
        _TEXTS | st.sampled_from(["{{", "}}", "{{{Param.X}}", "{frame}", "{{frame}}"]), max_size=4
    ),
    frames=st.sampled_from(["", "1", "1-10", "5,1-3", ",".join(str(each) for each in range(0, 4000, 3))]),
    chunk=st.sampled_from([1, 7]),
)
def test_every_job_makes_a_template_that_openjd_accepts(
    name: str, words: list[str], frames: str, chunk: int
) -> None:
    """Names and arguments with braces, control characters and any letters; frames of any length."""
    spec = JobSpec(name=name, commands=(("program", *words),), frames=frames, chunk=chunk)
    if not name.strip() or any("{Param." in word for word in words):
        return
    spec.check()
    made = made_template(spec)
    accepted(made)
    [step] = made["steps"]  # type: ignore[misc]
    [_, job] = step["script"]["embeddedFiles"]  # type: ignore[index]
    assert "{{" not in job["data"] and "}}" not in job["data"]
    assert [each[1:] for each in json.loads(job["data"])["commands"]] == [words]


def test_limits_of_the_job_are_the_templates(tmp_path: Path) -> None:
    """Timeout and memory in the template, retries and tasks at once in Deadline Cloud's values."""
    spec = JobSpec(
        name="job", commands=(("a",),), timeout_s=90.5, memory_limit=3 * 2**30, retries=2, max_parallel=4
    )
    write_bundle("abcd", spec, tmp_path / "bundle")
    made = json.loads((tmp_path / "bundle" / "template.json").read_text())
    accepted(made)
    [step] = made["steps"]
    assert step["script"]["actions"]["onRun"]["timeout"] == 91
    assert step["hostRequirements"]["amounts"] == [{"name": "amount.worker.memory", "min": 3072}]
    values = json.loads((tmp_path / "bundle" / "parameter_values.json").read_text())["parameterValues"]
    assert {each["name"]: each["value"] for each in values} == {
        "deadline:maxRetriesPerTask": 2,
        "deadline:maxWorkerCount": 4,
    }
    without = JobSpec(name="job", commands=(("a",),))
    values = parameter_values(without, BundlePaths(without, {}))["parameterValues"]
    assert values == [
        {"name": "deadline:maxRetriesPerTask", "value": 0}
    ]  # the queue's default, not Deadline's


def test_files_that_commands_name_are_copied(tmp_path: Path) -> None:
    """Two of one name, one by its path from the working folder; what is written is a parameter."""
    for folder in ("a", "b", "out"):
        (tmp_path / folder).mkdir()
    for folder in ("a", "b"):
        (tmp_path / folder / "lut.cube").write_text(folder)
    words = [
        f"--lut={tmp_path}/a/lut.cube",
        "b/lut.cube",
        "-o",
        f"{tmp_path}/out/x.{{frame}}.exr",
        "out/y.txt",
        "/World/Cam",
        "1.5",
        str(tmp_path / "a"),
    ]
    spec = JobSpec(name="job", commands=(("render", *words),), frames="1-2", cwd=str(tmp_path))
    written = write_bundle("abcd", spec, tmp_path / "bundle")
    assert written.files == 2 and written.referenced == [str(tmp_path / "a")]
    [program, lut, other, option, picture, text, *rest] = BundlePaths(spec, {}).commands[0]
    assert program == "{Param.Program}" and option == "-o"
    for word, content in ((lut.removeprefix("--lut="), "a"), (other, "b")):
        copied = tmp_path / "bundle" / word.replace("{Param.AssetFolder}", "assets")
        assert copied.read_text() == content
    assert (picture, text) == ("{Param.OutputFolder}/x.{frame}.exr", "{Param.OutputFolder}/y.txt")
    assert rest == ["/World/Cam", "1.5", str(tmp_path / "a")]
    accepted(json.loads((tmp_path / "bundle" / "template.json").read_text()))


def test_files_that_the_scene_names_elsewhere_are_reported(tmp_path: Path) -> None:
    """Those that lie on a share, those that are missing; or that nothing is known of them."""
    scene = tmp_path / "scene"
    scene.mkdir()
    (scene / "shot.usdc").touch()
    (tmp_path / "wood.png").touch()
    spec = JobSpec(name="job", commands=(("render", str(scene / "shot.usdc")),), temp_dir=str(scene))
    unknown = write_bundle("abcd", spec, tmp_path / "unknown")
    assert unknown.scene_files is None and len(unknown.notes()) == 2
    named = [str(tmp_path / "wood.png"), str(tmp_path / "gone.png")]
    (scene / FILE_LIST).write_text(json.dumps(named))
    known = write_bundle("abcd", spec, tmp_path / "known")
    [gone, wood, menu] = known.notes()
    assert named[1] in gone and named[0] in wood
    assert gone.replace(*reversed(named)) != wood  # missing is not the same as not copied
    assert "OpenJD" in menu
    references = json.loads((known.folder / "asset_references.json").read_text())["assetReferences"]
    assert references["referencedPaths"] == sorted(named)
    (scene / FILE_LIST).write_text("[]")
    assert write_bundle("abcd", spec, tmp_path / "none").notes() == []


def test_the_scene_goes_along_without_what_was_rendered(tmp_path: Path) -> None:
    """Nor hidden files; a job whose pictures are beside its scene writes them there again."""
    scene = tmp_path / "scene"
    (scene / "textures").mkdir(parents=True)
    for name in ("shot.usdc", "textures/wood.png", "preview.png", "preview.exr", ".ticket"):
        (scene / name).write_text(name)
    spec = JobSpec(
        name="job",
        commands=(("render", "-tempDir", str(scene), f"{scene}/shot.usdc", f"{scene}2/x"),),
        temp_dir=str(scene),
        environment={"PYTHONPATH": f"{scene}/py:/opt/py"},
    )
    write_bundle("abcd", spec, tmp_path / "bundle", pictures=[str(scene / "preview.png")])
    found = {path.relative_to(tmp_path / "bundle").as_posix() for path in (tmp_path / "bundle").rglob("*.*")}
    assert {name for name in found if name.startswith("scene")} == {
        "scene/shot.usdc",
        "scene/textures/wood.png",
    }
    made = json.loads((tmp_path / "bundle" / "template.json").read_text())
    accepted(made)
    flows = {each["name"]: each.get("dataFlow") for each in made["parameterDefinitions"]}
    assert flows["SceneFolder"] == "INOUT"
    job = json.loads(made["steps"][0]["script"]["embeddedFiles"][1]["data"])
    assert job["commands"][0][1:] == [
        "-tempDir",
        "{Param.SceneFolder}",
        "{Param.SceneFolder}/shot.usdc",
        f"{scene}2/x",
    ]
    assert job["environment"] == {"PYTHONPATH": "{Param.SceneFolder}/py:/opt/py"}


def test_a_job_on_a_farm_is_exported_by_its_folder(
    tmp_path: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No farm and no queue is asked."""
    job = FarmJob(new_job_id(), "job", 1.0, ["frame 1"])
    spec = JobSpec(name="job", commands=(("render", "{frame}"),), frames="1-3")
    JobFolder.create(data_root / "farms" / "slurm", job, spec)
    assert main(["export", job.id, "--farm", "slurm", "-o", str(tmp_path / "bundle")]) == 0
    accepted(json.loads((tmp_path / "bundle" / "template.json").read_text()))
    assert capsys.readouterr().out.strip() == str(tmp_path / "bundle")
    assert main(["export", "aaaa", "--farm", "slurm", "-o", str(tmp_path / "other")]) == 2
    assert main(["export", "../aaaa", "--farm", "slurm", "-o", str(tmp_path / "other")]) == 2


def test_what_cannot_be_exported_leaves_nothing(tmp_path: Path) -> None:
    """A scene that is gone, a folder in use, one within the scene, what a bundle uses itself."""
    gone = JobSpec(name="job", commands=(("a",),), temp_dir=str(tmp_path / "gone"))
    with pytest.raises(Refused, match="gone"):
        write_bundle("abcd", gone, tmp_path / "bundle")
    here = JobSpec(name="job", commands=(("a",),), temp_dir=str(tmp_path))
    with pytest.raises(BadInput):
        write_bundle("abcd", here, tmp_path / "bundle")
    with pytest.raises(BadInput, match="Param"):
        write_bundle("abcd", JobSpec(name="job", commands=(("a", "{Param.X}"),)), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine").touch()
    with pytest.raises(BadInput, match="empty"):
        write_bundle("abcd", JobSpec(name="job", commands=(("a",),)), tmp_path / "bundle")
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["mine"]


def test_variables_that_leave_the_site() -> None:
    """Known ones and those that are named; a secret never, whatever it is called."""
    environment = {
        "PYTHONPATH": "/a",
        "OCIO": "/b",
        "STUDIO_SHOW": "x",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "OCIO_MIRROR": "https://me:hidden@host/x",
        "PATH": "/bin",
    }
    chosen = choose_variables(environment, ["STUDIO_SHOW"])
    assert chosen.kept == {"PYTHONPATH": "/a", "OCIO": "/b", "STUDIO_SHOW": "x"}
    assert chosen.left_out == ["AWS_SECRET_ACCESS_KEY", "OCIO_MIRROR", "PATH"]
    for name in ("AWS_SECRET_ACCESS_KEY", "OCIO_MIRROR", "MISSING"):
        with pytest.raises(BadInput, match=name):
            choose_variables(environment, [name])


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    """In the form that OpenJD shows as the reason."""
    job = {
        "commands": [["/no/such program"]],
        "environment": {},
        "folder": "",
        "outputs": [],
        "has_step": False,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-I", str(RUNNER), str(tmp_path / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 127
    assert done.stdout.startswith("openjd_fail: /no/such program")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_cancelled_task_ends_its_command(tmp_path: Path) -> None:
    """OpenJD asks the runner alone; the command after it is not begun."""
    sleep = [sys.executable, "-S", "-c", "import time; print('begun', flush=True); time.sleep(600)"]
    job = {
        "commands": [sleep, [sys.executable, "-S", "-c", "print('never')"]],
        "environment": {},
        "folder": "",
        "outputs": [],
        "has_step": False,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-I", str(RUNNER), str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "begun\n"
        runner.terminate()
        assert runner.wait(60) == 143
        assert runner.stdout.read() == ""  # also: nothing that was started holds the pipe


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_task_that_is_cancelled_as_its_command_starts_ends_it(tmp_path: Path) -> None:
    """The runner does not know its process yet when the signal arrives."""
    job = {
        "commands": [[sys.executable, "-S", "-c", "import time; time.sleep(600)"]],
        "environment": {},
        "folder": "",
        "outputs": [],
        "has_step": False,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    code = (
        "import os, runpy, signal, subprocess, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "class Stopped(subprocess.Popen):\n"
        "    def __init__(self, *given, **named):\n"
        "        super().__init__(*given, **named)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "subprocess.Popen = Stopped\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(RUNNER), str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as runner:
        try:
            assert runner.wait(60) == 143
        finally:
            if runner.poll() is None:
                os.killpg(runner.pid, signal.SIGKILL)
