"""Frames of a disk render: what may be typed, their order, their files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.app.frame_sequence import (
    FrameError,
    Order,
    divided,
    frame_pattern,
    in_order,
    numbered,
    parse,
    path_of,
    remaining,
)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", [7]),
        ("1-3, 20", [1, 2, 3, 20]),
        ("30-45x5", [30, 35, 40, 45]),
        ("3-5,4-6", [3, 4, 5, 6]),
        ("-3--1", [-3, -2, -1]),
        (" 1 - 2 , 9 ", [1, 2, 9]),
    ],
)
def test_ranges(text: str, frames: list[int]) -> None:
    """Single frames, ranges, steps; each frame once."""
    assert parse(text) == frames


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "1-",
        "1..3",
        "1-10x0",
        "10-1",
        "1 2",
        "1-9999999",
        "1-1000000",
        "1-100000,200001-300000",
        "1,,2",
    ],
)
def test_what_is_no_range_is_named(text: str) -> None:
    """Empty, unreadable, backwards, a step of 0, far too many."""
    with pytest.raises(FrameError):
        parse(text)


@given(st.lists(st.integers(-50, 200), min_size=1, max_size=60, unique=True).map(sorted))
def test_halving_renders_each_frame_once_and_the_ends_first(frames: list[int]) -> None:
    """Whatever frames there are."""
    chosen = in_order(frames, Order.HALVING)
    assert sorted(chosen) == frames
    assert set(chosen[:2]) == {frames[0], frames[-1]}
    assert in_order(frames, Order.FORWARD) == frames


@given(
    st.lists(st.integers(-50, 200), min_size=1, max_size=60, unique=True).map(sorted),
    st.integers(1, 9),
    st.sampled_from(Order),
)
def test_frames_of_a_task_stay_together(frames: list[int], per_task: int, order: Order) -> None:
    """Whatever the order, tasks are those of the frames in their own order."""
    chosen = in_order(frames, order, per_task)
    assert sorted(chosen) == frames
    for task in divided(frames, per_task):
        at = chosen.index(task[0])
        assert chosen[at : at + len(task)] == task
        assert len({after - before for before, after in pairwise(task)}) <= 1 and len(task) <= per_task


def test_the_step_is_for_ranges_that_name_none() -> None:
    """A range with a step of its own keeps it."""
    assert parse("1-5, 10-14x4", 2) == [1, 3, 5, 10, 14]


@pytest.mark.parametrize(
    ("output", "pattern", "file"),
    [
        ("/out/beauty.####.exr", "/out/beauty.{frame:04d}.exr", "/out/beauty.0007.exr"),
        ("/out/beauty.%04d.exr", "/out/beauty.{frame:04d}.exr", "/out/beauty.0007.exr"),
        ("/out/beauty.%d.exr", "/out/beauty.{frame}.exr", "/out/beauty.7.exr"),
        ("/out/#3/b.#.png", "/out/#3/b.{frame}.png", "/out/#3/b.7.png"),
    ],
)
def test_files_of_frames(output: str, pattern: str, file: str) -> None:
    """As `####` or `%04d` in the file's name, never in a folder's."""
    assert frame_pattern(output) == pattern
    assert path_of(pattern, 7) == Path(file)
    assert numbered(output, 7) == file


def test_an_output_without_digits_is_refused() -> None:
    """All frames would be written to one file; an empty one is named as what is missing."""
    with pytest.raises(FrameError, match="overwrite"):
        frame_pattern("/out/beauty.exr")
    assert numbered("/out/beauty.exr", 7) == "/out/beauty.exr"
    with pytest.raises(FrameError, match="Output"):
        frame_pattern(" ")
    assert path_of(frame_pattern("o/b.#########.exr"), 7) == Path("o/b.000000007.exr")
    with pytest.raises(FrameError, match="10 frame digits"):
        frame_pattern("o/b.##########.exr")


def test_frames_that_exist_are_left_out(tmp_path: Path) -> None:
    """By their files."""
    (tmp_path / "b.0002.exr").touch()
    assert remaining([1, 2, 3], f"{tmp_path.as_posix()}/b.{{frame:04d}}.exr", Path.exists) == [1, 3]
    for name in ("b.0001.png", "b.0002.png"):
        (tmp_path / name).touch()
    # A PNG without an EXR is of a frame that was stopped.
    assert remaining([1, 2, 3], f"{tmp_path.as_posix()}/b.{{frame:04d}}.png", Path.exists) == [1, 3]
