"""The farm plug-in, called as FarmAPI calls it, on a real queue."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from Katana import FarmAPI, Nodes2DAPI
from katana_queue.kq.api import JobSpec, QueueChange, Session, join_command_line, own_data_root

from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.FarmAPI.FarmPluginManager import JobRequest
from tests.support.live_queue import until

State = FarmAPI.Job.State


def line(*arguments: str) -> str:
    """A command line as Katana makes one, by this system's rules."""
    return join_command_line(arguments)


def python(code: str, *arguments: str) -> str:
    """The command line of a program of Python."""
    return line(sys.executable, "-c", code, *arguments)


def request(*commands: str, **fields: Any) -> JobRequest:
    """A job request as Katana makes one."""
    values = {
        "nodeName": "Render",
        "renderContextName": "render_1",
        "frames": [1],
        "commands": list(commands),
        "environment": {"KATANA_TEST": "some value"},
        "tempDir": "",
    }
    return JobRequest(**{**values, **fields})


def wait_for(session: Session, farm: Any, job_id: str, *states: str) -> str:
    """Wait until a job is in one of `states`, told by the queue."""
    changed = threading.Event()

    def listen(_change: QueueChange) -> None:
        changed.set()

    remove = session.client.add_listener(listen)
    try:
        for _ in range(1000):
            state = str(farm.getJobState(job_id))
            if state in states:
                return state
            assert changed.wait(60), f"job {job_id} stays {state}"
            changed.clear()
    finally:
        remove()
    raise AssertionError(f"job {job_id} never came into {states}")


def test_job_runs_with_its_commands_in_order(farm: Any, session: Session, tmp_path: Path) -> None:
    """The command lines run one after the other, in the job's environment; the log has what they print."""
    out = tmp_path / "out put.txt"
    code = 'import os, sys; open(sys.argv[1], "a").write(os.environ["KATANA_TEST"])'
    job_id = farm.submitJob(request(python(code, str(out)), python('print("second")')))
    assert isinstance(job_id, str)
    assert farm.getJobState(job_id) in State.kAllStates  # known at once
    assert wait_for(session, farm, job_id, State.kCompleted, State.kFailed) == State.kCompleted
    assert out.read_text() == "some value"
    log = farm.getRenderLogFilename(job_id)
    assert "second" in Path(log).read_text()


def test_failed_job_is_failed(farm: Any, session: Session) -> None:
    """A render that exits with an error is Failed, and listed as such with its times."""
    job_id = farm.submitJob(request(python("raise SystemExit(3)")))
    wait_for(session, farm, job_id, State.kFailed)
    assert len(farm.getJobs([job_id])) == 1
    assert farm.getJobs([State.kFailed])
    assert farm.getJobs(["no such"]) == []
    assert len(farm.getJobs([])) >= 1


def test_stop_and_start(farm: Any, session: Session) -> None:
    """A stopped job is Cancelled, not failed; started again it runs again."""
    job_id = farm.submitJob(request(python("import time; print(1, flush=True); time.sleep(600)")))
    wait_for(session, farm, job_id, State.kRunning)
    farm.stopJob(job_id)
    wait_for(session, farm, job_id, State.kCancelled)
    farm.startJob(job_id)
    wait_for(session, farm, job_id, State.kRunning)
    farm.stopJob(job_id)
    wait_for(session, farm, job_id, State.kCancelled)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has one request to end, and no signals")
@pytest.mark.parametrize(
    ("answer", "first"),
    [("SIGUSR1", "SIGUSR1"), ("SIGINT", "SIGINT"), (0, "SIGTERM"), (-7, "SIGTERM"), (None, "SIGTERM"),
     ("unknown", "SIGTERM"), (4711, "SIGTERM")],
)  # fmt: skip
def test_a_render_is_stopped_by_its_renderers_own_signal(
    farm: Any, session: Session, monkeypatch: pytest.MonkeyPatch, answer: Any, first: str
) -> None:
    """So that it keeps what it has. Whatever else Katana answers, the render ends by SIGTERM."""
    asked: list[str] = []

    def termination_signal(renderer: str) -> Any:
        asked.append(renderer)
        return int(getattr(signal, answer)) if str(answer).startswith("SIG") else answer

    monkeypatch.setattr(Nodes2DAPI, "GetRenderTerminationSignal", termination_signal)
    code = (
        "import os, signal, time\n"
        "def told(number, _frame):\n"
        # Not print(): it refuses to run within the one below.
        "    os.write(1, f'told {signal.Signals(number).name}\\n'.encode())\n"
        "    os._exit(0)\n"
        "for name in ('SIGUSR1', 'SIGINT', 'SIGTERM'): signal.signal(getattr(signal, name), told)\n"
        "print('rendering', flush=True)\n"
        # Not pause(): a signal that comes just before it is handled only after it, so never.
        "while True: time.sleep(0.05)"
    )
    job_id = farm.submitJob(request(python(code, "-renderMethodType", "diskRender", "-renderer", "dl")))
    assert asked == ["dl"]

    def log() -> str:
        path = farm.getRenderLogFilename(job_id)
        return Path(path).read_text() if path and Path(path).exists() else ""

    until(lambda: "rendering\n" in log(), "the renderer's line")
    farm.stopJob(job_id)
    wait_for(session, farm, job_id, State.kCancelled)
    assert [line for line in log().splitlines() if line.startswith("told")] == [f"told {first}"]


@pytest.mark.parametrize("method", ["startJob", "stopJob", "getJobState", "getRenderLogFilename"])
def test_unknown_job(farm: Any, method: str) -> None:
    """Katana's own exception, with the id."""
    with pytest.raises(FarmAPI.JobNotFoundException, match="nosuchjob"):
        getattr(farm, method)("nosuchjob")


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ([], "command"),
        ([""], "command"),
        (["""render '"unclosed"""], "quot"),
        (["a\0b"], "NUL"),
    ],
)
def test_invalid_request_is_refused(farm: Any, commands: list[str], message: str) -> None:
    """Refused at once, with the reason, before anything is queued."""
    with pytest.raises(FarmAPI.FarmPluginException, match=message):
        farm.submitJob(request(*commands))


def test_later_arguments_are_accepted(farm: Any, session: Session) -> None:
    """A later Katana may pass more than is documented today."""
    job_id = farm.submitJob(request(python("pass")), "extra", renderMethod="previewRender")
    wait_for(session, farm, job_id, State.kCompleted)
    farm.getJobs([], "extra", other=1)
    farm.getEnvironmentForJob("render_1", "extra")
    farm.createTemporaryDirectory("render_1", 7)


def test_temporary_directory_is_ones_own(farm: Any, session: Session) -> None:
    """Each render has a folder of its own below KQ_DATA_ROOT that no other user can read."""
    one, two = farm.createTemporaryDirectory("shot/1: a"), farm.createTemporaryDirectory("shot/1: a")
    assert one != two
    assert Path(one).is_relative_to(session.settings.data_root)  # type: ignore[union-attr]
    if sys.platform != "win32":
        assert stat.S_IMODE(Path(one).stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows a root is used as it is")
def test_temporary_directory_before_the_session_knows_its_root(
    farm: Any, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the user's own folder of a root that others may write to."""
    shared = tmp_path / "share"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("KQ_DATA_ROOT", str(shared))
    monkeypatch.setattr(session, "settings", None)
    made = Path(farm.createTemporaryDirectory("render_1"))
    assert made.parent == own_data_root(shared) / "renders" and own_data_root(shared) != shared


def test_a_request_without_a_dictionary_is_submitted_once(farm: Any, session: Session) -> None:
    """What is recorded of a request fails no job that was submitted: Katana would say that it failed."""

    class Request:
        __slots__ = ("commands", "environment", "frames", "nodeName", "renderContextName", "tempDir")

    asked, given = Request(), request(python("pass"))
    for name in Request.__slots__:
        setattr(asked, name, getattr(given, name))
    wait_for(session, farm, farm.submitJob(asked), State.kCompleted)


def test_render_files_are_copied(farm: Any, tmp_path: Path) -> None:
    """The files of a render go to its folder; one that is not there is named."""
    scene = tmp_path / "scene file.usda"
    scene.write_text("#usda 1.0\n")
    folder = farm.createTemporaryDirectory("render_7")
    (copy,) = farm.copyRenderFiles([str(scene)], "render_7")
    assert Path(copy) == Path(folder) / scene.name
    assert Path(copy).read_text() == "#usda 1.0\n"
    assert farm.copyRenderFiles([copy], "render_7") == [copy]  # it is there already
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / scene.name
    other.write_text("another scene")
    copies = farm.copyRenderFiles([str(scene), str(other)], "render_7")
    assert [Path(each).read_text() for each in copies] == [scene.read_text(), "another scene"]
    again = farm.copyRenderFiles([str(other), str(other), str(scene)], "render_7")
    assert again == [copies[1], copies[1], copies[0]], "a file keeps its copy in later calls"
    (tmp_path / "upper").mkdir()
    upper = tmp_path / "upper" / scene.name.upper()
    upper.write_text("of another case")
    written, source = Path(folder, "written.usda"), tmp_path / "written.usda"
    written.write_text("by the desktop")
    source.write_text("of another folder")
    more = farm.copyRenderFiles([str(upper), str(source)], "render_7")
    assert len({each.casefold() for each in [*copies, *more, str(written)]}) == 5
    assert [Path(each).read_text() for each in more] == ["of another case", "of another folder"]
    with pytest.raises(FarmAPI.FarmPluginException, match=r"nothing\.usda"):
        farm.copyRenderFiles([str(tmp_path / "nothing.usda")], "render_7")


def test_data_root_that_cannot_be_written(farm: Any, session: Session) -> None:
    """The message names the folder and what to do."""
    blocked = session.settings.data_root / "renders"  # type: ignore[union-attr]
    kept = blocked.rename(blocked.with_name("kept")) if blocked.exists() else None
    blocked.write_text("a file where a folder should be")
    try:
        with pytest.raises(FarmAPI.FarmPluginException, match="KQ_DATA_ROOT"):
            farm.createTemporaryDirectory("render_1")
    finally:
        blocked.unlink()
        if kept is not None:
            kept.rename(blocked)


def test_environment_of_the_desktop_goes_along(farm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set after the Agents started reaches the render; what is no render's business does not."""
    monkeypatch.setenv("OCIO", "/show/config.ocio")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    environment = farm.getEnvironmentForJob("render_1")
    assert environment["OCIO"] == "/show/config.ocio"
    assert "SECRET_TOKEN" not in environment


def test_a_variable_that_was_unset_since_the_start_is_unset_for_renders(
    farm: Any, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what the desktop never sends, and for what Katana sets for the job itself."""
    from katana_queue.plugins import render_environment

    names = ("RENDERER_SETTING", "OTHER_SETTING", "MY_API_KEY", "KATANA_TEST")
    monkeypatch.setattr(render_environment, "_at_start", frozenset())
    for name in names:
        monkeypatch.setenv(name, "at the start")
    render_environment.note_start(os.environ)
    for name in names:
        monkeypatch.delenv(name)
    spec = session.client.spec(farm.submitJob(request(python("pass")))).result(60)
    assert spec.unset == ("OTHER_SETTING", "RENDERER_SETTING")
    assert spec.environment["KATANA_TEST"] == "some value"


def test_commands_do_not_get_what_a_job_unsets(farm: Any, session: Session) -> None:
    """Though the Agent has it; a variable of the job's own is set."""
    code = "import os; print('PATH' in os.environ, os.environ['OTHER'])"
    spec = JobSpec(
        name="job",
        commands=((sys.executable, "-c", code),),
        unset=("PATH", "OTHER", "NEVER_SET"),
        environment={"OTHER": "set"},
    )
    job_id, _saved = session.client.submit(spec)
    wait_for(session, farm, job_id, State.kCompleted)
    assert "False set" in log_of(farm, job_id)


def test_options_of_the_command_are_used(farm: Any, session: Session) -> None:
    """Which renderer it is tells which output patterns apply; where the picture goes is shown."""
    command = python("pass", "-renderer", "arnold", "-renderOutputFile", "/tmp/a b.png", "-last")
    job_id = farm.submitJob(request(command, tempDir="/tmp"))
    spec = session.client.spec(job_id).result(60)
    assert (spec.renderer, spec.picture, spec.temp_dir, spec.node) == (
        "arnold",
        "/tmp/a b.png",
        "/tmp",
        "Render",
    )
    wait_for(session, farm, job_id, State.kCompleted)


@pytest.mark.parametrize("method", ["liveRender", "previewRender"])
def test_a_live_render_is_known_as_one(farm: Any, session: Session, method: str) -> None:
    """By the type of its render method, also before the queue has answered."""
    job_id = farm.submitJob(request(python("pass", "-renderMethodType", method, "-last")))
    assert session.client.job(job_id).is_live is (method == "liveRender")
    wait_for(session, farm, job_id, State.kCompleted)
    assert session.client.job(job_id).is_live is (method == "liveRender")


def test_how_a_render_is_kept_ready_is_passed_on(farm: Any, session: Session) -> None:
    """As the job's standby, and not as a variable of the render; renders without it have none."""
    environment = {"A": "1", "KQ_STANDBY_COMMAND": line(sys.executable, "/a b/renderboot", "--standby")}
    spec = session.client.spec(farm.submitJob(request(python("pass"), environment=environment))).result(60)
    assert spec.standby == (sys.executable, "/a b/renderboot", "--standby")
    assert spec.environment["A"] == "1"
    assert "KQ_STANDBY_COMMAND" not in spec.environment
    spec = session.client.spec(farm.submitJob(request(python("pass")))).result(60)
    assert spec.standby == ()


def test_without_a_queue(monkeypatch: pytest.MonkeyPatch, farm: Any) -> None:
    """Before the desktop has started, a call says why nothing can be done."""
    from katana_queue.plugins.FarmAPI import FarmPluginBase

    monkeypatch.setattr(FarmPluginBase, "current_session", lambda: None)
    with pytest.raises(FarmAPI.FarmPluginException, match="Katana Queue"):
        farm.submitJob(request("true"))


def test_metadata_names_the_installation(farm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of this machine find Katana where the desktop is."""
    monkeypatch.setenv("KATANA_ROOT", "/opt/Katana 8.0v1")
    metadata = farm.getRemoteInstallationMetadata()
    assert metadata.katanaRoot == "/opt/Katana 8.0v1"


def test_the_environment_is_the_desktops_but_for_what_is_its_own(
    farm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Licences, renderers, search paths go with the job; logins, machines, secrets and the queue's do not."""
    kept = (
        "PIXAR_LICENSE_FILE",
        "RMANTREE",
        "ADSKFLEX_TIMEOUT",
        "DELIGHT",
        "foundry_LICENSE",
        "PATH",
        "LC_ALL",
    )
    left = ("HOME", "USER", "DISPLAY", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "KQ_OPEN_DATA_ROOT", "MY_API_KEY",
            "AWS_SECRET_ACCESS_KEY", "TMPDIR", "PWD", "SLURM_JOB_ID", "CUE_FRAME",
            "CUDA_VISIBLE_DEVICES")  # fmt: skip
    for name in (*kept, *left):
        monkeypatch.setenv(name, "some value")
    environment = farm.getEnvironmentForJob("render_1")
    assert {name: environment.get(name) for name in kept} == dict.fromkeys(kept, "some value")
    assert not set(left) & set(environment)


def test_variables_that_are_no_text_are_left_out() -> None:
    """One such would keep the whole job from being sent."""
    from katana_queue.plugins.render_environment import render_environment

    odd = {"GOOD": "ü", "BYTES": os.fsdecode(b"\xff"), "=C:": "C:\\"}
    assert render_environment(odd) == {"GOOD": "ü"}


def test_a_job_is_named_by_node_and_frames(farm: Any, session: Session) -> None:
    """And one task has the frames, whether Katana gives one frame or a range."""
    spec = session.client.spec(farm.submitJob(request(python("pass"), frames=[12]))).result(60)
    assert (spec.name, spec.frames, spec.chunk) == ("Render, frame 12", "12", 1)
    spec = session.client.spec(farm.submitJob(request(python("pass"), frames=[3, 1, 2]))).result(60)
    assert (spec.name, spec.frames, spec.chunk) == ("Render, frames 1-3", "1-3", 3)
    gaps = session.client.spec(farm.submitJob(request(python("pass"), frames=[1, 5]))).result(60)
    assert (gaps.name, gaps.frames) == ("Render, frames 1,5", "")  # its commands render both: one task
    none = session.client.spec(farm.submitJob(request(python("pass"), frames=[]))).result(60)
    assert (none.name, none.frames) == ("Render", "")


def test_frames_share_tasks(farm: Any, session: Session) -> None:
    """As many as the job's environment says, in the order asked for; the environment is rid of it."""
    asked = request(
        line("render", "-frame", "{start}-{end}x{step}"),
        frames=[1, 2, 3, 4, 9, 11, 13, 5, 6],
        environment={"KQ_FRAMES_PER_TASK": "4", "KQ_PRIORITY": "7"},
    )
    spec = session.client.spec(farm.submitJob(asked)).result(60)
    chunks = spec.chunks()
    assert chunks is not None
    assert [list(chunk) for chunk in chunks] == [[1, 2, 3, 4], [9, 11, 13], [5, 6]]
    assert spec.priority == 7
    assert not {"KQ_FRAMES_PER_TASK", "KQ_PRIORITY"} & spec.environment.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has one way to ask a program to end")
def test_a_render_is_asked_by_its_renderers_signal(farm: Any, session: Session, tmp_path: Path) -> None:
    """RenderMan writes what it has on SIGINT; of SIGTERM it would die."""
    code = (
        "import signal, sys, time\n"
        "def finish(number, frame):\n"
        "    open(sys.argv[1], 'w').write(signal.Signals(number).name); sys.exit(1)\n"
        "signal.signal(signal.SIGINT, finish); signal.signal(signal.SIGTERM, finish)\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(0.05)"
    )
    told = tmp_path / "told"
    job_id = farm.submitJob(request(python(code, str(told), "-renderer", "prman")))
    wait_for(session, farm, job_id, State.kRunning)
    until(lambda: "up" in (log_of(farm, job_id)), "the render's handlers")
    farm.stopJob(job_id)
    wait_for(session, farm, job_id, State.kCancelled)
    assert told.read_text() == "SIGINT"


def log_of(farm: Any, job_id: str) -> str:
    """What the job's log holds."""
    path = farm.getRenderLogFilename(job_id)
    return Path(path).read_text() if path and Path(path).exists() else ""


def test_jobs_of_the_sites_farms_outlive_the_session_and_those_of_kq_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the stand-in desktop's question says when it is closed."""
    from katana_queue.plugins.FarmAPI.KatanaQueueFarmPlugin import KatanaQueueFarmPlugin
    from katana_queue.plugins.FarmAPI.SiteFarmPlugin import farm_plugins

    monkeypatch.setenv("KQ_FARMS", "slurm,opencue")
    farms = {**farm_plugins(), "Katana Queue": KatanaQueueFarmPlugin}
    monkeypatch.setattr(FarmPluginManager, "_farms", farms)
    found = {name: FarmPluginManager._outlives_session(name) for name in farms}
    assert len(found) == 3 and not found.pop("Katana Queue") and all(found.values())
