"""Frame ranges as artists write them, and their division into tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import BadInput
from kq.frame_ranges import MAX_FRAMES, FrameChunks, format_frames, parse_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", [7]),
        ("1-3", [1, 2, 3]),
        ("1-3,9", [1, 2, 3, 9]),
        ("1-10x4", [1, 5, 9]),
        ("5-5", [5]),
        ("-3--1", [-3, -2, -1]),
        ("-1-1", [-1, 0, 1]),
        ("  1 - 3 , 8 - 12 x 2 ", [1, 2, 3, 8, 10, 12]),
        ("9,1-2", [9, 1, 2]),
        ("1-9x2,2-8x2", [1, 3, 5, 7, 9, 2, 4, 6, 8]),
        ("0", [0]),
        ("007", [7]),
    ],
)
def test_what_is_understood(text: str, frames: list[int]) -> None:
    """In the order written."""
    assert [frame for each in parse_frames(text) for frame in each] == frames


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10-1", "write 1-10"),
        ("1-", "frame range '1-'"),
        ("-", "'-'"),
        ("a", "'a'"),
        ("", "''"),
        ("1-5,", "''"),
        ("1,,2", "''"),
        ("1-10 20", "'1-10 20'"),
        ("1 0", "'1 0'"),
        ("1.5", "'1.5'"),
        ("1-10x", "'1-10x'"),
        ("5x2", "'5x2'"),
        ("1-10x0", "'1-10x0' has a step of 0"),
        ("1-10x-1", "'1-10x-1'"),
        ("٣", "'٣'"),
        ("1-10000000", "10,000,000 frames"),
        ("1-600000,700001-1300000", "1,200,000 frames"),
        ("12345678901", "'12345678901'"),
        ("1-5,3", "frame 3 "),
        ("3,1-5", "frame 3 "),
        ("1-5,5-9", "frame 5 "),
        ("1-9x2,3-9x3", "frame 3 "),
        ("z" * 100, f"'{'z' * 37}...'"),
    ],
)
def test_an_invalid_range_is_refused_with_its_part_and_the_reason(text: str, message: str) -> None:
    """The message names the part and the reason."""
    with pytest.raises(BadInput) as caught:
        parse_frames(text)
    assert message in str(caught.value)


def test_a_million_frames_are_the_most() -> None:
    """As many are fine, one more is taken for a mistake."""
    assert len(parse_frames(f"1-{MAX_FRAMES}")[0]) == 1_000_000
    with pytest.raises(BadInput):
        parse_frames(f"0-{MAX_FRAMES}")


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1))
def test_what_is_formatted_is_parsed_back(frames: list[int]) -> None:
    """Whatever the frames and their order."""
    assert [frame for each in parse_frames(format_frames(frames)) for frame in each] == frames


@pytest.mark.parametrize(
    ("frames", "text"), [([], ""), ([4], "4"), ([1, 2, 3, 7, 9, 10], "1-3,7,9-10"), ([-2, -1], "-2--1")]
)
def test_neighbours_are_joined(frames: list[int], text: str) -> None:
    """As a person would write them."""
    assert format_frames(frames) == text


@pytest.mark.parametrize(
    ("text", "size", "chunks"),
    [
        ("1-5", 2, [range(1, 3), range(3, 5), range(5, 6)]),
        ("1-3,7-9", 2, [range(1, 3), range(3, 4), range(7, 9), range(9, 10)]),
        ("1-9x2", 3, [range(1, 7, 2), range(7, 10, 2)]),
        ("1,2,3,4,99", 3, [range(1, 4), range(4, 5), range(99, 100)]),
        ("1-2,3,5", 9, [range(1, 4), range(5, 6)]),
        ("3,2,1", 3, [range(3, 4), range(2, 3), range(1, 2)]),
        ("8", 100, [range(8, 9)]),
    ],
)
def test_a_chunk_holds_frames_that_follow_one_another(text: str, size: int, chunks: list[range]) -> None:
    """However they were written; never across a gap."""
    divided = FrameChunks(parse_frames(text), size)
    assert list(divided) == chunks
    assert len(divided) == len(chunks)
    for beyond in (-1, len(chunks)):
        with pytest.raises(IndexError):
            divided[beyond]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3)), min_size=1, max_size=5), st.integers(1, 7))
def test_chunks_hold_every_frame_once(parts: list[tuple[int, int]], size: int) -> None:
    """In order, and none is larger than asked."""
    ranges, start = [], 0
    for length, step in parts:
        ranges.append(range(start, start + length * step + 1, step))
        start += length * step + 5
    divided = FrameChunks(ranges, size)
    assert [frame for chunk in divided for frame in chunk] == [frame for each in ranges for frame in each]
    assert all(1 <= len(chunk) <= size for chunk in divided)


def test_no_ranges_are_no_chunks_and_no_size_is_no_sense() -> None:
    """The sentence names the number."""
    assert len(FrameChunks([], 1)) == 0
    with pytest.raises(BadInput, match=r"\b0\b"):
        FrameChunks([range(3)], 0)


def test_a_command_that_gets_no_step_gets_single_frames_of_a_stepped_range() -> None:
    """It would render what lies between start and end, too."""
    chunks = FrameChunks(parse_frames("1-5x2,10-11"), 2, keep_steps=False)
    assert list(chunks) == [range(1, 2, 2), range(3, 4, 2), range(5, 6, 2), range(10, 12)]
