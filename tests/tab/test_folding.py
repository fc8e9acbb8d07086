"""Lines that are folded away: places and lines agree, however the log grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from katana_queue.plugins.Tabs.KatanaQueue.models.folding import Folding


@given(st.lists(st.tuples(st.integers(1, 30), st.sets(st.integers(0, 200))), min_size=1, max_size=6))
def test_places_and_lines_agree(steps: list[tuple[int, set[int]]]) -> None:
    """After each part of a log that grows: the lines that are shown are those not hidden, and the last."""
    folding, count, hidden = Folding(), 0, set[int]()
    for more, candidates in steps:
        first, count = max(0, count - 1), count + more  # what was the last line may be another now
        hidden = {line for line in hidden if line < first} | {x for x in candidates if first <= x < count}
        folding.update(sorted(hidden), count)
        expected = [line for line in range(count) if line not in hidden or line == count - 1]
        assert folding.shown == len(expected)
        assert folding.hidden == count - len(expected)
        assert [folding.line(place) for place in range(folding.shown)] == expected
        assert [folding.place(line) for line in expected] == list(range(len(expected)))
        assert [line for line in range(count) if folding.hides(line)] == sorted(
            set(range(count)) - set(expected)
        )
    folding.update((), count)
    assert (folding.shown, folding.hidden) == (count, 0)
