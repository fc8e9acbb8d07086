"""Every pattern takes time in proportion to a line's length, whatever a render or a scene writes into it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from kq import patterns
from kq.patterns import KINDS, known_renderers

DATA = Path(__file__).with_name("data")
LENGTH = 16 * 1024
"""Of a hostile line: as much as an Agent examines."""
LIMIT_S = 0.05
"""Of CPU, for one pattern and one line: linear work takes a millisecond, quadratic seconds."""
FILLERS = [" ", "a", "A", "0", "A.", "a.a:", ".", "(", "[", "|", "| ", "-", ":", "'", '"', "%", "0 ", ": ",
           "sh: ", "Fra:1 ", "A00000 ", "| writing file `", "1%  "]  # fmt: skip


def hostile(words: list[str]) -> Iterator[str]:
    """Lines that are made of a pattern's own words, with runs of what may be between and around them."""
    for word, filler in product(words, FILLERS):
        run = filler * (LENGTH // len(filler))
        repeated, spread = word + filler, word + filler * 40
        yield (word + run)[: LENGTH - 1] + "\x7f"
        yield (run + word)[-LENGTH:]
        yield (repeated * (LENGTH // len(repeated)))[:LENGTH]
        yield (spread * (LENGTH // len(spread)))[:LENGTH]
        # A head that fits, and a run that might continue it.
        yield (f"{word}{filler}1" + run)[: LENGTH - 1] + "\x7f"


def words_of(has: tuple[str, ...]) -> list[str]:
    """The text that a pattern looks for, as renderers write it, and a line of a real log that has it."""
    cased = [each for word in has for each in (word, word.upper(), word.capitalize())]
    for log in sorted(DATA.glob("*.log")):
        for line in re.split(r"[\r\n]+", log.read_text("utf-8", "replace")):
            if any(word in line.lower() for word in has):
                return [*dict.fromkeys(cased), line[:200]]
    return list(dict.fromkeys(cased))


@pytest.mark.parametrize("name", ["shared", *known_renderers()])
def test_no_line_takes_longer_than_its_length(name: str) -> None:
    """Seconds for a line would freeze the tab's log, and cost an Agent its lease."""
    tables = patterns._tables((name,))
    assert any(tables.values())
    for pattern in (each for kind in KINDS for each in tables[kind]):
        for line in hostile(words_of(pattern.has)):
            began_s = time.thread_time()
            pattern.search(line)
            assert time.thread_time() - began_s < LIMIT_S, (pattern.source, line[:80])


@pytest.mark.parametrize("name", ["shared", *known_renderers()])
def test_no_group_is_possessive(name: str) -> None:
    """Python 3.11.4 and older, such as Debian 12's, match such a group wrongly (python/cpython#106052)."""
    for kind in KINDS:
        for pattern in patterns._tables((name,))[kind]:
            assert not re.search(r"\)(?:[*+?]|\{[\d,]+\})\+", pattern.source), pattern.source
