"""What OpenCue is given for a job, and how its answers are read. A double of Cuebot, and the real RQD, are in
test_opencue.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opencue_proto import job_pb2

from kq.errors import BadInput, Refused
from kq.farms.decide import EngineState
from kq.farms.opencue import OpenCue, job_spec, read_job_name

TOKEN = "0123456789abcdef"


def spec_of(name: str = "a job", tasks: list[int] | None = None, **options: str) -> ElementTree.Element:
    asked = {"show": "aurora", **options}
    text = job_spec("artist", Path("/share/it's a job"), name, TOKEN, tasks or [0], 0, asked)
    return ElementTree.fromstring(text)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_every_name_becomes_one_that_cuebot_takes(name: str) -> None:
    """Letters, digits, points and underscores; the token in it is found again."""
    job = spec_of(name).find("job")
    assert job is not None
    made = job.get("name", "")
    assert re.fullmatch(r"[\w.]{3,}", made, re.ASCII) and "__" not in made and made == made.lower()
    assert read_job_name(f"aurora-none-artist_{made}") == (TOKEN, 0)


def test_names_of_others_are_no_jobs_of_ours() -> None:
    assert read_job_name("aurora-none-artist_render_kq") is None
    assert read_job_name(f"aurora-none-artist_kq_{TOKEN}_100000_beauty") == (TOKEN, 100000)


def test_a_layer_has_the_tasks_as_frames() -> None:
    """The command is quoted for RQD's shell, but not the frame, which Cuebot puts there."""
    layer = spec_of(tasks=[0, 1, 2, 7], cores="4", limits="katana, arnold", memory="8g").find(
        "job/layers/layer"
    )
    assert layer is not None
    assert layer.findtext("range") == "0-2,7"
    command = layer.findtext("cmd", "")
    assert shlex.split(command.replace("#IFRAME#", "7")) == ["python3", "/share/it's a job/run_task.py", "7"]
    assert [layer.findtext(name) for name in ("cores", "threadable", "memory")] == ["4.0", "true", "8g"]
    assert [each.text for each in layer.findall("limits/limit")] == ["katana", "arnold"]
    assert [(each.get("name"), each.text) for each in layer.findall("env/key")] == [("KQ_TOKEN", TOKEN)]


def test_the_most_frames_at_once_are_cores_of_the_job() -> None:
    """Whole ones: Cuebot's units of hundredths are its own affair there."""
    job = spec_of(max_parallel="5", cores="4", priority="50").find("job")
    assert job is not None and (job.findtext("maxcores"), job.findtext("priority")) == ("20", "50")


@pytest.mark.parametrize(
    "options",
    [
        {"show": ""},
        {"cores": "many"},
        {"partition": "short"},
        {"service": "a\nb"},
        {"minutes": "-1"},
        {"memory": "1.5g"},
        {"memory": "8gb"},
        {"memory": "plenty"},
        {"max_parallel": "2", "cores": "0"},
    ],
)
def test_options_that_cannot_work(options: dict[str, str]) -> None:
    """The message names the option."""
    with pytest.raises(BadInput, match=next(iter(options))):
        spec_of(**options)


@pytest.mark.parametrize("memory", ["8g", "8G", "1500m", "8"])
def test_memory_that_cuebot_reads(memory: str) -> None:
    assert spec_of(memory=memory).findtext("job/layers/layer/memory") == memory


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose uid has no entry in passwd: KQ_OPENCUE_USER is enough, and needed."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert spec_of(name="a job").findtext("user") == "artist"
    with pytest.raises(Refused, match="KQ_OPENCUE_USER"):
        OpenCue({}).list_tasks()


class FakeJob:
    """A job of pycue, with the protocol's own messages."""

    def __init__(self, *frames: str) -> None:
        self.data = job_pb2.Job(name=f"aurora-none-artist_kq_{TOKEN}_0_beauty", state=job_pb2.PENDING)
        self.frames = [
            SimpleNamespace(data=job_pb2.Frame(number=number, state=job_pb2.FrameState.Value(state)))
            for number, state in enumerate(frames)
        ]
        self.reads = 0

    def getFrames(self, *, page: int, limit: int) -> list[SimpleNamespace]:  # pycue's name
        self.reads += 1
        return self.frames


def states_of(engine: OpenCue) -> list[EngineState]:
    return [row.status.state for row in engine.list_tasks()]


def test_a_killed_job_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuebot finishes it, and later sets what runs to WAITING. Rows are kept only once they are final, and
    are read again when a retry in CueGUI makes the job a pending one.
    """
    job = FakeJob("SUCCEEDED", "RUNNING", "WAITING", "DEPEND")
    engine = OpenCue({"KQ_OPENCUE_USER": "artist"})
    api = SimpleNamespace(getJobs=lambda **_: [job])
    monkeypatch.setattr(engine, "_client", lambda: SimpleNamespace(api=api))
    monkeypatch.setattr(engine, "_call", lambda function, *arguments, **named: function(*arguments, **named))
    state = EngineState
    assert states_of(engine) == [state.COMPLETED, state.RUNNING, state.PENDING, state.PENDING]
    job.data.state = job_pb2.FINISHED
    over = [state.COMPLETED, state.CANCELLED, state.CANCELLED, state.CANCELLED]
    assert states_of(engine) == [state.COMPLETED, state.COMPLETING, *over[2:]]
    job.frames[1].data.state = job_pb2.WAITING
    assert states_of(engine) == over
    reads = job.reads
    assert states_of(engine) == over and job.reads == reads
    job.data.state = job_pb2.PENDING
    assert states_of(engine) == [state.COMPLETED, state.PENDING, state.PENDING, state.PENDING]
