"""Which frames of a job are rendered, and in which order: as `kq submit` and *Start Missing* choose them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.app.frame_sequence import Order, in_order
from kq.errors import BadInput
from kq.frame_selection import RenderOrder, frames_written, picture_file, select_frames
from kq.records import JobSpec

_HOSTS = {RenderOrder.FIRST_TO_LAST: Order.FORWARD, RenderOrder.ENDS_FIRST: Order.HALVING}


def spec_of(frames: str, **fields: Any) -> JobSpec:
    """A job whose command takes a step."""
    return JobSpec(name="a", commands=(("render", "{start}", "{end}", "{step}"),), frames=frames, **fields)


def frames_of(spec: JobSpec) -> list[int]:
    """The frames in the order of the tasks."""
    return [frame for chunk in spec.chunks() or () for frame in chunk]


@given(st.sets(st.integers(-20, 200), min_size=1), st.sampled_from(RenderOrder))
def test_the_order_is_the_dialogs(frames: set[int], order: RenderOrder) -> None:
    """*Disk Render Frames* of the stand-in orders in code of its own: both offer the same."""
    spec = spec_of(",".join(map(str, frames)))
    assert frames_of(select_frames(spec, order, skip_existing=False)) == in_order(
        sorted(frames), _HOSTS[order]
    )


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(1, 5), st.sampled_from(RenderOrder))
def test_no_order_loses_a_frame(frames: set[int], chunk: int, order: RenderOrder) -> None:
    """Whatever their steps, and however many share a task."""
    spec = select_frames(spec_of(",".join(map(str, frames)), chunk=chunk), order, skip_existing=False)
    assert sorted(frames_of(spec)) == sorted(frames)
    spec.check()


def test_the_frames_of_a_task_stay_together() -> None:
    ends = select_frames(spec_of("1-50", chunk=10), RenderOrder.ENDS_FIRST, skip_existing=False)
    assert ends.frames == "1-10,41-50,21-30,11-20,31-40"
    stepped = select_frames(spec_of("1-29x2", chunk=3), RenderOrder.ENDS_FIRST, skip_existing=False)
    assert stepped.frames == "1-5x2,25-29x2,13-17x2,7-11x2,19-23x2"


def test_a_million_frames_are_not_put_in_order_one_by_one() -> None:
    """The queue would have to read a text of megabytes; in chunks they are few."""
    with pytest.raises(BadInput, match="--chunk"):
        select_frames(spec_of("1-200000"), RenderOrder.ENDS_FIRST, skip_existing=False)
    spec = select_frames(spec_of("1-200000", chunk=1000), RenderOrder.ENDS_FIRST, skip_existing=False)
    assert spec.frames.startswith("1-1000,199001-200000,")


def test_frames_whose_picture_exists_are_skipped() -> None:
    """The frames that are left keep their steps; without `order`, their places."""
    there = {Path(f"/out/a.{frame:04d}.exr") for frame in (3, 5, 11)}.__contains__
    spec = spec_of("9-13,1-7x2", picture="/out/a.####.exr", chunk=2)
    left = select_frames(spec, None, skip_existing=True, exists=there)
    assert left.frames == "9-10,12-13,1-7x6"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"frames": ""}, "--frames"),
        ({"picture": ""}, "--picture"),
        ({"picture": "/out/a.exr"}, "digits"),
        ({}, "exist already"),
    ],
)
def test_what_cannot_be_skipped_is_refused(fields: dict[str, str], key: str) -> None:
    """Without a file for each frame there is nothing to compare."""
    spec = spec_of(**{"frames": "1-3", "picture": "/out/a.%04d.exr", **fields})
    with pytest.raises(BadInput, match=key):
        select_frames(spec, None, skip_existing=True, exists=lambda _path: True)


def test_the_file_of_a_frame_of_a_chunk() -> None:
    """A movie of all frames of a task is the same file for each of them."""
    chunk = range(1, 11)
    assert picture_file(spec_of("1-10", picture="a.##.exr", cwd="/out"), chunk, 7) == Path("/out/a.07.exr")
    movie = spec_of("1-10", picture="/out/a.{start}-{end}.mov")
    assert picture_file(movie, chunk, 7) == Path("/out/a.1-10.mov")
    assert picture_file(spec_of("1-10"), chunk, 7) is None


@pytest.mark.parametrize(
    ("picture", "progress", "written"),
    [
        ("/out/a.0011.exr", 0.1, 0),
        ("/out/a.0011.exr", 0.25, 1),
        ("/out/a.0012.exr", 0.25, 1),
        ("/out/a.0012.png", 0.5, 2),
        ("/out/a.0012.png", 0.49, 2),
        ("/out/a.0012.png", 0.48, 1),
        (r"C:\out\a.0012.exr", 0.99, 2),
        ("/out/a.0014.exr", 0.1, 3),
        ("/out/other.exr", 0.9, 0),
        ("", 0.9, 0),
    ],
)
def test_how_many_frames_of_a_task_are_written(picture: str, progress: float, written: int) -> None:
    """The picture names the frame; the progress only says whether that one is complete."""
    spec = spec_of("11-14", chunk=4, picture="/out/a.####.exr")
    assert frames_written(spec, range(11, 15), picture, progress) == written
    same_for_all = spec_of("11-14", chunk=4, picture="/out/a.{start}.exr")
    assert frames_written(same_for_all, range(11, 15), "/out/a.11.exr", 1.0) == 0
