"""Lines that hold a word, found in a block of bytes at once: the same that a search line by line finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from katana_queue.plugins.Tabs.KatanaQueue.models.log_scan import LineSearch

_LETTERS = st.sampled_from(["a", "A", "b", "é", " ", "\0"])
_TEXTS = st.text(st.one_of(_LETTERS, st.just("\n")), max_size=60)
_WORDS = st.lists(st.text(_LETTERS, min_size=1, max_size=3), min_size=1, max_size=4)


@given(text=_TEXTS, words=_WORDS, match_case=st.booleans(), first=st.integers(0, 99))
def test_the_lines_that_hold_a_word(text: str, words: list[str], match_case: bool, first: int) -> None:
    """In order, each once, with where it starts and ends."""
    data, sought = text.encode(), [word.encode() for word in words]
    expected, start = [], 0
    for number, line in enumerate(data.split(b"\n"), first):
        seen = line if match_case else line.lower()
        if any((word if match_case else word.lower()) in seen for word in sought):
            expected.append((number, start, start + len(line)))
        start += len(line) + 1

    assert list(LineSearch(sought, match_case).lines(data, first)) == expected
