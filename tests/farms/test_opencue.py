"""Jobs on OpenCue: the real pycue, the real RQD, and a double of Cuebot, which cannot run here.

All of it runs in processes of its own, as gRPC leaves threads and settings in the process that loads it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.exr_files import read_exr
from tests.support.live_queue import ROOT, clean_environment, first_line, until
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHOW = "testshow"
_STOP_TASK_1 = """
from kq.farms.opencue import OpenCue
engine = OpenCue()
[name] = {row.engine_id for row in engine.list_tasks() if row.status.state.is_live}
engine.stop_tasks(name, [1])
"""
_AS_CUEBOT_GOES = """
from kq.errors import KqError
from kq.farms.opencue import OpenCue
engine = OpenCue()
row = engine.list_tasks()[0]
job = engine._client().api.findJob(row.engine_id)
print("seen", flush=True)
input()
for call in (lambda: engine._call(job.getFrames), engine.list_tasks, lambda: engine.stop([row.engine_id])):
    try:
        call()
    except KqError as error:
        print(type(error).__name__, flush=True)
"""
_SLEEP = "import time; print('begun', flush=True); time.sleep(600)"


class OpenCueFarm:
    """The double of Cuebot, one RQD with two cores, and `kq farm` on a data root of its own."""

    def __init__(self, folder: Path, *, has_rqd: bool = True) -> None:
        self.folder = folder
        self.has_rqd = has_rqd
        self.logs = folder / "rqd logs"
        self.logs.mkdir()
        (folder / "tmp").mkdir()
        self._processes: list[subprocess.Popen[str]] = []
        for _ in range(3):
            if self._start():
                return
            self.close()  # another program took RQD's port
        pytest.fail(f"RQD did not start: {(folder / 'rqd.log').read_text()}")

    def _start(self) -> bool:
        rqd_port = free_port()
        self.cuebot = self._run("tests.farms.cuebot_double", str(rqd_port), str(self.logs))
        assert self.cuebot.stdout is not None
        port = json.loads(first_line(self.cuebot.stdout))["port"]
        settings = {"CUEBOT_HOSTS": f"127.0.0.1:{port}", "KQ_OPENCUE_USER": "artist"}
        self.environment = clean_environment(self.folder / "data", settings)
        return not self.has_rqd or self._start_rqd(rqd_port, port)

    def _start_rqd(self, rqd_port: int, port: int) -> bool:
        options = {
            "OVERRIDE_CUEBOT": "127.0.0.1",
            "CUEBOT_GRPC_PORT": port,
            "RQD_GRPC_PORT": rqd_port,
            "RQD_NETWORK_INTERFACE": "lo",
            "OVERRIDE_CORES": 2,
            "OVERRIDE_NIMBY": False,
            "OVERRIDE_HOSTNAME": "rqd-test",
            "RQD_USE_IP_AS_HOSTNAME": False,
            "RQD_BECOME_JOB_USER": False,
            "RQD_CREATE_USER_IF_NOT_EXISTS": False,
            "RQD_USE_PATH_ENV_VAR": True,
        }
        lines = [f"{name} = {value}" for name, value in options.items()]
        (self.folder / "rqd.conf").write_text("\n".join(["[Override]", *lines]))
        self._run("rqd", "-c", str(self.folder / "rqd.conf"), log="rqd.log")
        assert self.cuebot.stdout is not None
        return bool(first_line(self.cuebot.stdout))

    def _run(self, module: str, *arguments: str, log: str = "cuebot.log") -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder / "tmp")}
        with (self.folder / log).open("a") as errors:
            started = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if "cuebot" in module else errors,
                stderr=errors,
                text=True,
            )
        self._processes.append(started)
        return started

    def kq(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run `kq farm ACTION --farm opencue`."""
        action, *rest = arguments
        return self.python("-m", "kq", "farm", action, "--farm", "opencue", *rest, **settings)

    def python(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run Python as a user of this farm would."""
        environment = {**self.environment, **settings}
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    def submit(self, *arguments: str) -> str:
        """Submit a job; returns its id."""
        done = self.kq("submit", "--option", f"show={SHOW}", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, job: str) -> list[list[str]]:
        """`kq farm tasks` as words."""
        done = self.kq("tasks", job)
        assert done.returncode == 0, done.stderr
        return [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()[1:]]

    def await_states(self, job: str, *states: str) -> list[list[str]]:
        """Wait until the tasks are in these states."""
        latest: list[list[str]] = []

        def reached() -> bool:
            latest[:] = self.rows(job)
            return [row[2] for row in latest] == list(states)

        try:
            until(reached, f"tasks to be {states}", 150.0)
        except AssertionError as error:
            log = (self.folder / "rqd.log").read_text()[-2000:]
            raise AssertionError(f"{error}: {latest}\n{log}") from None
        return latest

    def close(self) -> None:
        """End all of it, with what RQD runs."""
        for process in reversed(self._processes):
            with process:
                try:
                    children = psutil.Process(process.pid).children(recursive=True)
                except psutil.Error:
                    children = []
                process.kill()
                for child in children:
                    try:
                        child.kill()
                    except psutil.Error:
                        continue
        self._processes.clear()


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCueFarm]:
    """One for all tests of this file."""
    if shutil.which("/usr/bin/time") is None:
        pytest.skip("RQD needs /usr/bin/time (package time)")
    made = OpenCueFarm(tmp_path_factory.mktemp("opencue"))
    try:
        yield made
    finally:
        made.close()


def test_frames_are_rendered_by_rqd(farm: OpenCueFarm, tmp_path: Path) -> None:
    """Their pictures are those of a render here; RQD's log and ours say how."""
    (tmp_path / "shot.usda").write_text('#usda 1.0\ndef Sphere "Ball" {}\ndef DomeLight "Dome" {}\n')
    words = [
        *(sys.executable, "-m", "host.renderboot", "-geolib3OpTree", str(tmp_path / "shot.usda")),
        *("-width", "16", "-height", "16", "-samples", "2", "-threads", "1", "-frame", "{frame}"),
    ]
    render = [*words, "-renderOutputFile", str(tmp_path / "farm.{frame:04d}.exr")]
    name = "beauty 'ü'\n$(touch x) \"7\""
    job = farm.submit("--name", name, "--frames", "1-2", "--set-env", f"PYTHONPATH={ROOT}", "--", *render)
    tasks = farm.await_states(job, "Completed", "Completed")
    assert {row[4] for row in tasks} == {"rqd-test"}
    assert "ALF_PROGRESS 100%" in farm.kq("log", job, "1").stdout
    [first, *_] = [path.read_text() for path in farm.logs.glob("*beauty*0000-render.rqlog")]
    assert "run_task.py 0" in first and "KQ_TOKEN" in first
    here = [each.replace("{frame}", "2") for each in words]
    subprocess.run(
        [*here, "-renderOutputFile", str(tmp_path / "here.exr")],
        env=farm.environment, cwd=ROOT, capture_output=True, timeout=200, check=True,
    )  # fmt: skip
    assert read_exr(tmp_path / "farm.0002.exr") == read_exr(tmp_path / "here.exr")


def test_failed_frames_alone_are_run_again(farm: OpenCueFarm, tmp_path: Path) -> None:
    """The exit code is the command's; what is complete is not run again."""
    code = "import os, sys; sys.exit(3 if sys.argv[1] == '2' and not os.path.exists(sys.argv[2]) else 0)"
    job = farm.submit(
        "--frames", "1-3", "--", sys.executable, "-c", code, "{frame}", str(tmp_path / "mended")
    )
    tasks = farm.await_states(job, "Completed", "Failed", "Completed")
    assert "exit code 3" in tasks[1][-1]
    (tmp_path / "mended").touch()
    assert farm.kq("start", job).returncode == 0
    tasks = farm.await_states(job, "Completed", "Completed", "Completed")
    assert [row[3] for row in tasks] == ["1", "2", "1"]


def test_a_stopped_job_leaves_no_process(farm: OpenCueFarm, tmp_path: Path) -> None:
    """What runs is killed by RQD, what waits is not begun; also of one task alone."""
    mark = str(tmp_path / "mark")
    job = farm.submit("--frames", "1-3", "--", sys.executable, "-c", _SLEEP, mark)
    farm.await_states(job, "Running", "Running", "Waiting")  # RQD has two cores

    def running() -> list[psutil.Process]:
        return [each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or ())]

    until(lambda: len(running()) == 2, "two commands")
    stopped = farm.python("-c", _STOP_TASK_1)
    assert stopped.returncode == 0, stopped.stderr
    farm.await_states(job, "Running", "Cancelled", "Running")
    assert farm.kq("stop", job).returncode == 0
    farm.await_states(job, "Cancelled", "Cancelled", "Cancelled")
    until(lambda: not running(), "the end of the commands")


def test_what_cannot_work_is_refused(farm: OpenCueFarm, tmp_path: Path) -> None:
    """An unknown show, none, root, a Cuebot that is not there, a client that is not installed."""
    assert farm.kq("check", "--option", f"show={SHOW}").returncode == 0
    unknown = farm.kq("check", "--option", "show=another")
    assert unknown.returncode != 0 and "another" in unknown.stderr
    none = farm.kq("check")
    assert none.returncode == 2 and "show" in none.stderr
    root = farm.kq("check", "--option", f"show={SHOW}", KQ_OPENCUE_USER="root")
    assert root.returncode != 0 and "KQ_OPENCUE_USER" in root.stderr
    gone = farm.kq("check", "--option", f"show={SHOW}", CUEBOT_HOSTS=f"127.0.0.1:{free_port()}")
    assert gone.returncode != 0 and "Cuebot" in gone.stderr
    (tmp_path / "opencue.py").write_text("raise ImportError('not here')")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    missing = farm.kq("check", "--option", f"show={SHOW}", PYTHONPATH=path)
    assert missing.returncode != 0 and "opencue-pycue" in missing.stderr
    assert "Traceback" not in "".join(each.stderr for each in (unknown, none, root, missing))


def test_a_cuebot_that_is_lost_is_no_refusal_and_no_failure(tmp_path: Path) -> None:
    """Each call says that it does not answer; what is known of a job stays."""
    farm = OpenCueFarm(tmp_path, has_rqd=False)
    try:
        job = farm.submit("--frames", "1-2", "--", "true")
        with subprocess.Popen(
            [sys.executable, "-c", _AS_CUEBOT_GOES],
            env=farm.environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as engine:  # fmt: skip
            assert engine.stdin is not None and engine.stdout is not None
            assert first_line(engine.stdout) == "seen\n"
            farm.cuebot.kill()
            farm.cuebot.wait(60)
            engine.stdin.write("\n")
            engine.stdin.close()
            assert engine.stdout.read().split() == ["ConnectionLost"] * 3
        listed = farm.kq("jobs")
        assert "Cuebot" in listed.stderr
        assert f"{job}  Waiting" in listed.stdout
    finally:
        farm.close()
