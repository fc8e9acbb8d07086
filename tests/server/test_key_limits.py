"""What a key may ask for, with a clock that is set by hand."""

from __future__ import annotations

import ntpath
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import Refused
from kq.records import JobSpec
from kq.server import returned_files
from kq.server.returned_files import RETURNED_FOLDER, ReturnedFiles, ReturnLimits
from kq.wire import KeyLimits

ROLE = "agent:farm"


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.lines: list[str] = []
        self.key_limits = KeyLimits(lambda: self.now, self.lines.append)


def test_refusals_are_counted_and_not_logged_one_by_one() -> None:
    """One line at once, one a minute while it goes on, and the next one at once after a quiet minute."""
    world = World()
    for _ in range(300 * 8):
        world.key_limits.refuse(ROLE, "a lie")
        world.now += 0.125
        world.key_limits.tick()
    assert len(world.lines) == 1 + 300 / 60
    assert "479 more" in world.lines[1]
    world.now += 61
    world.key_limits.tick()
    world.now += 61
    world.key_limits.tick()
    before = len(world.lines)
    world.key_limits.refuse(ROLE, "another")
    assert world.lines[before:] == [f"refused of {ROLE}: another"]


@given(st.integers(1, 50), st.lists(st.floats(0, 0.01), max_size=300))
def test_no_more_messages_than_the_rate_and_its_burst(agents: int, pauses: list[float]) -> None:
    """Whatever the pauses; and what the user's own Agents and clients send is not limited."""
    world = World()
    world.key_limits.admit(ROLE, agents)
    taken = 0
    for pause in pauses:
        for _ in range(100):
            taken += world.key_limits.allow_message(ROLE)
            assert world.key_limits.allow_message("agent:local")
        world.now += pause
    rate = 1000 + 500 * agents
    assert taken <= 2 * rate + rate * sum(pauses) + 1


def test_a_key_is_as_good_as_its_largest_admission() -> None:
    """Until it is forgotten; a check for fewer takes nothing from those that run."""
    world = World()
    for agents, most in ((4, 4), (2, 4), (8, 8)):
        world.key_limits.admit(ROLE, agents)
        assert world.key_limits.max_agents(ROLE) == most
    world.key_limits.forget(ROLE)
    world.key_limits.admit(ROLE, 1)
    assert world.key_limits.max_agents(ROLE) == 1


# --- What an attempt returns ---


def spec(folder: Path, **fields: object) -> JobSpec:
    return JobSpec(name="x", commands=(("sh", "run.sh"),), temp_dir=str(folder), **fields)  # type: ignore[arg-type]


NAMES = st.text(st.sampled_from("abrun./_-~ \\é"), min_size=1, max_size=12)


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_no_path_leads_to_what_was_submitted(names: list[str]) -> None:
    """Into the folder for what is returned, to the picture that the job names, or nowhere."""
    folder = Path("/data/job").absolute()
    returned = ReturnedFiles(spec(folder, picture=str(folder / "beauty.png")), None, ReturnLimits())
    path = f"{folder}/{'/'.join(names)}"
    try:
        place = returned.place(path, 1)
    except Refused:
        return
    assert place.is_relative_to(folder / RETURNED_FOLDER) or place.name.startswith("beauty.")
    assert ".." not in place.parts
    assert returned.picture_path(path) == str(place)


def test_the_pictures_of_a_task_come_to_their_places(tmp_path: Path) -> None:
    """Those of each of its frames, in every form and channel; other frames' do not."""
    picture = str(tmp_path / "shots" / "beauty.####.png")
    returned = ReturnedFiles(
        spec(tmp_path / "job", picture=picture, frames="1-3"), range(1, 4), ReturnLimits()
    )
    for name in ("beauty.0001.png", "beauty.0003.png", "beauty.0002.exr", "beauty.0002.depth.exr"):
        place = tmp_path / "shots" / name
        assert returned.place(str(place), 1) == place
    for name in ("beauty.0004.png", "beauty.0001.sh", "other.png"):
        place = tmp_path / "job" / RETURNED_FOLDER / name
        assert returned.place(str(tmp_path / "shots" / name), 1) == place
    for path in (tmp_path / "other.png", tmp_path / "shots" / "deeper" / "beauty.0001.png"):
        with pytest.raises(Refused):
            returned.place(str(path), 1)
    alone = ReturnedFiles(
        JobSpec(name="x", commands=(("r",),), picture=picture, frames="1"), None, ReturnLimits()
    )
    with pytest.raises(Refused):
        alone.place(str(tmp_path / "shots" / "other.png"), 1)


def test_channels_in_files_of_their_own_come_to_their_places(tmp_path: Path) -> None:
    """Those of the task's frames that the command names in the picture's folder."""
    shots = tmp_path / "shots"
    job = JobSpec(
        name="x", temp_dir=str(tmp_path / "job"), frames="1-2", picture=f"{shots}/beauty.####.exr",
        commands=(("r", f"{shots}/beauty.####.exr", f"{shots}/diffuse.####.exr", f"{shots}/run.####.sh",
                   f"{tmp_path}/elsewhere/z.####.exr"),),
    )  # fmt: skip
    returned = ReturnedFiles(job, range(1, 2), ReturnLimits())
    assert returned.place(f"{shots}/diffuse.0001.exr", 1) == shots / "diffuse.0001.exr"
    for name in ("diffuse.0002.exr", "run.0001.sh"):
        assert returned.place(f"{shots}/{name}", 1) == tmp_path / "job" / RETURNED_FOLDER / name
    with pytest.raises(Refused):
        returned.place(f"{tmp_path}/elsewhere/z.0001.exr", 1)


def test_files_and_bytes_of_an_attempt_are_limited(tmp_path: Path) -> None:
    """A file that is sent anew counts once, with the size that it has."""
    returned = ReturnedFiles(spec(tmp_path), None, ReturnLimits(log_bytes=5, files=2, file_bytes=100))
    for size in (60, 90, 40):
        returned.place(str(tmp_path / "a"), size)
    returned.place(str(tmp_path / "b"), 60)
    with pytest.raises(Refused, match="KQ_MAX_RETURNED_FILES"):
        returned.place(str(tmp_path / "c"), 0)
    with pytest.raises(Refused, match="KQ_MAX_RETURNED_BYTES"):
        returned.place(str(tmp_path / "b"), 61)
    assert returned.log_refusal(5) == "" and "KQ_MAX_LOG_BYTES" in returned.log_refusal(6)


@pytest.mark.parametrize(
    ("path", "is_shown"),
    [
        ("{tmp}/job/a.png", True),
        ("{tmp}/work/a.exr", True),
        ("{tmp}/out/beauty.0007.exr", True),
        ("{tmp}/out/deeper/a.exr", False),
        ("{tmp}/other/a.exr", False),
        ("{tmp}/job/a.sh", False),
        ("{tmp}/job/../other/a.png", False),
        ("/dev/zero", False),
        ("a.png", False),
        ("{tmp}/job/\0.png", False),
    ],
)
def test_a_picture_is_shown_where_the_agent_may_write_it(tmp_path: Path, path: str, is_shown: bool) -> None:
    """One that sees the desktop's disks writes into the job's folders, and beside what its commands name."""
    job = spec(tmp_path / "job", cwd=str(tmp_path / "work"))
    job = JobSpec(
        name="x", commands=(("render", "-o", str(tmp_path / "out" / "beauty.####.exr")),),
        temp_dir=job.temp_dir, cwd=job.cwd,
    )  # fmt: skip
    path = path.format(tmp=tmp_path)
    assert ReturnedFiles(job, None, ReturnLimits()).picture_path(path) == (path if is_shown else "")


@pytest.mark.parametrize("text", ["D:/Pics/a.####.exr", r"d:\pics\a.####.exr", r"--out=D:\pics\a.exr"])
def test_a_windows_command_may_write_its_folder_in_any_form(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """With slashes, or in another case. The paths are Windows' own; the machine is not."""
    monkeypatch.setattr(returned_files, "os", SimpleNamespace(path=ntpath, sep="\\"))
    monkeypatch.setattr(returned_files, "Path", PureWindowsPath)
    returned = ReturnedFiles(JobSpec(name="x", commands=(("render", text),)), None, ReturnLimits())
    assert returned.picture_path(r"D:\pics\a.0001.exr")
    assert not returned.picture_path(r"D:\other\a.0001.exr")
