"""What cannot be a job is refused in one sentence that says what to change."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import BadInput
from kq.placeholders import fill_picture
from kq.records import (
    JobSpec,
    attempt_id,
    check_job_id,
    fill,
    new_job_id,
    parse_attempt_id,
    task_commands,
)

GOOD: dict[str, object] = {"name": "sky", "commands": (("render", "a.usd"),)}


def spec(**fields: object) -> JobSpec:
    """A good job but for `fields`."""
    return JobSpec(**{**GOOD, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"name": ""}, "no name"),
        ({"name": " \t"}, "no name"),
        ({"name": "x" * 1001}, "1000"),
        ({"name": "a\0b"}, "job's name contains a NUL"),
        ({"commands": ()}, "command"),
        ({"commands": ((),)}, "command"),
        ({"commands": (("render",), (" ",))}, "command"),
        ({"commands": (("x",),) * 1001}, "1000 commands"),
        ({"commands": (("x", "a\0"),)}, "argument of the command contains a NUL"),
        ({"commands": (("x", "y" * 131_072),)}, "131,072 bytes"),
        ({"commands": (("x", *["y" * 99_999] * 8),)}, "'x' holds 800,002 bytes"),
        ({"commands": (("x", "caf\udce9.usd"),)}, r"not UTF-8 ('caf\udce9.usd')"),
        ({"node": "a\udcff"}, r"not UTF-8 ('a\udcff')"),
        ({"cwd": "/a\0"}, "working folder contains a NUL"),
        ({"temp_dir": "/a\0"}, "temporary folder contains a NUL"),
        ({"picture": "/a\0"}, "picture's path contains a NUL"),
        ({"renderer": "/a\0"}, "renderer's name contains a NUL"),
        ({"environment": {"": "x"}}, "''"),
        ({"environment": {"A=B": "x"}}, "environment variable name 'A=B'"),
        ({"environment": {"A\0": "x"}}, "environment variable's name contains a NUL"),
        ({"environment": {"A": "x\0"}}, "environment variable A contains a NUL"),
        (
            {"environment": {f"V{number}": "é" * 50_000 for number in range(11)}},
            "1,100,045 bytes",
        ),
        ({"chunk": 0}, "chunk size: 0"),
        ({"max_parallel": -1}, "tasks at once: -1"),
        ({"retries": -2}, "retries: -2"),
        ({"retries": 101}, "retries: 101"),
        ({"timeout_s": -0.5}, "timeout in seconds: -0.5"),
        ({"timeout_s": math.inf}, "timeout in seconds: inf"),
        ({"silence_s": math.nan}, "silence in seconds: nan"),
        ({"memory_limit": -1}, "Invalid memory limit in MiB: -1. Use 0 (none) to 1,073,741,824"),
        (
            {"memory_limit": 2**64},
            "Invalid memory limit in MiB: 17592186044416. Use 0 (none) to 1,073,741,824",
        ),
        ({"priority": 1_000_001}, "priority: 1000001"),
        ({"priority": -1_000_001}, "priority: -1000001"),
        ({"after": ("aaaa",) * 1001}, "1,001 jobs"),
        ({"frames": "10-1"}, "'10-1'"),
        ({"frames": ","}, "frame range ''"),
    ],
)
def test_each_mistake_is_refused_with_its_fact(fields: dict[str, object], fact: str) -> None:
    """What is wrong, and where."""
    with pytest.raises(BadInput) as caught:
        spec(**fields).check()
    assert fact in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "x" * 1000},
        {"name": "夜の海 🌊 \u202e\n"},
        {"commands": (("x", ""),)},
        {"commands": (("x",),) * 1000},
        {"commands": (("x", "y" * 131_071),)},
        {"commands": (("x", *["y" * 131_071] * 5, "y" * 131_069),)},
        {"environment": {"A": "", "Ü": "=x"}},
        {"environment": {f"V{number}": "x" * (2**17 - 4) for number in range(8)}},
        {"frames": " 1-10 , 20", "chunk": 3},
        {"frames": " "},
        {"retries": 100, "priority": -1_000_000, "timeout_s": 1e9},
        {"priority": 1_000_000},
        {"after": ("aaaa",) * 1000},
    ],
)
def test_what_just_fits_is_a_job(fields: dict[str, object]) -> None:
    """It can be sent and read back, too."""
    good = spec(**fields)
    good.check()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(good), type=JobSpec) == good


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=50))
def test_a_name_is_refused_or_can_be_sent(name: str) -> None:
    """Whatever Unicode has: no name is accepted that breaks a message later."""
    try:
        spec(name=name).check()
    except BadInput:
        return
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(spec(name=name)), type=JobSpec).name == name


@pytest.mark.parametrize("job_id", ["", "abc", "a" * 33, "ABCD", "a/bc", "../..", "abc\n", "äbcd", "ab c"])
def test_an_id_that_could_name_other_files_is_refused(job_id: str) -> None:
    """Logs lie in folders named by it."""
    with pytest.raises(BadInput, match=r"\b4 to 32\b"):
        check_job_id(job_id)


def test_new_ids_are_good_ones_and_differ() -> None:
    """Ten letters and digits."""
    ids = {new_job_id() for _ in range(1000)}
    assert len(ids) == 1000
    for job_id in ids:
        check_job_id(job_id)
        assert len(job_id) == 10


@pytest.mark.parametrize("parts", [("abcd", 0, 1), ("a1b2c3", 999_999, 12)])
def test_the_name_of_an_attempt_can_be_read_back(parts: tuple[str, int, int]) -> None:
    """Job, task, attempt."""
    assert parse_attempt_id(attempt_id(*parts)) == parts


@pytest.mark.parametrize(
    "name", ["", "abcd", "abcd/1", "abcd/01/1", "abcd/1/0", "abcd/²/1", "abcd/1/1/1", "abcd/-1/1"]
)
def test_what_is_no_attempt_is_none(name: str) -> None:
    """Names come over the wire."""
    assert parse_attempt_id(name) is None


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("out.{frame:04d}.exr", "out.0005.exr"),
        ("{start:3d}-{end:03d}", "005-008"),
        ("out.####.exr", "out.0005.exr"),
        ("out.%04d.exr", "out.0005.exr"),
        ("out.%d.exr", "out.5.exr"),
        ("/share/#1/out.#.exr", "/share/#1/out.5.exr"),
        (r"D:\#1\out.#.exr", r"D:\#1\out.5.exr"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_names_of_pictures(text: str, filled: str) -> None:
    """Each way in which renderers number pictures; folders and other braces are left alone."""
    assert fill_picture(text, range(5, 9)) == filled


@pytest.mark.parametrize(
    "near", ["{fram}", "{Frame}", "{frames}", "{FRAME}", "{frame:4x}", "{ frame }", "{starts}"]
)
def test_near_misses_of_placeholders_are_refused(near: str) -> None:
    """With frames all tasks would write the same file; without frames they are plain text."""
    command = ("render", f"out.{near}.exr")
    with pytest.raises(BadInput, match="placeholder"):
        JobSpec(name="a", commands=(command,), frames="1-2").check()
    with pytest.raises(BadInput, match="placeholder"):
        JobSpec(name="a", commands=(("render",),), picture=near, frames="1-2").check()
    JobSpec(name="a", commands=(command,)).check()


def test_placeholders_are_filled_and_other_braces_left() -> None:
    """`{frame}` is the first of the chunk."""
    frames = range(5, 9)
    assert fill("a.{frame}.{start}-{end}.{other}.{{frame}}", frames) == "a.5.5-8.{other}.{5}"
    assert fill("{frame}", None) == "{frame}"
    job = spec(commands=(("x", "{start}"), ("y", "{end}")), frames="5-8", chunk=4)
    assert task_commands(job, frames) == (("x", "5"), ("y", "8"))
    assert task_commands(job, None) == job.commands


def test_a_job_without_frames_has_no_chunks() -> None:
    """One task, without frames."""
    assert spec().chunks() is None
    assert spec(frames="  ").chunks() is None


MISSPELLED = {
    "frame": ("{frmae}", "{farme}", "{frme}", "{rame}", "{framee}", "{frane}", "{Farme}", "{current_frame}"),
    "start": ("{strat}", "x.{stat:04d}"),
    "end": ("{ned}",),
    "step": ("{stp}",),
}


@pytest.mark.parametrize(
    ("word", "meant"), [(word, name) for name in MISSPELLED for word in MISSPELLED[name]]
)
def test_a_misspelled_placeholder_is_a_warning(word: str, meant: str) -> None:
    """It names what was likely meant; the job is accepted, since braces may mean something to its program."""
    job = spec(frames="1-3", commands=(("render", word),))
    job.check()
    [warning] = job.warnings()
    assert word[word.index("{") : word.index("}") + 1] in warning and "{" + meant + "}" in warning


@pytest.mark.parametrize(
    "text", ['{"frames": 3}', "{}", "{name}", "{sample}", "{frame:04d}", "${HOME}", "{x,y}"]
)
def test_other_braces_are_no_warning(text: str) -> None:
    assert spec(frames="1-3", commands=(("render", text),)).warnings() == ()


def test_a_placeholder_in_a_job_without_frames_is_a_warning() -> None:
    """Nothing fills it."""
    [warning] = spec(commands=(("render", "{frame}", "{frame}"),)).warnings()
    assert "{frame}" in warning
