"""Who does not read is sent no more, whatever it claims."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.server.receipts import Receipts


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.integers(0, 2**62), max_size=200))
def test_no_guess_confirms_anything(guesses: list[int]) -> None:
    """64 parts go out and no more, until the numbers that came with them come back."""
    receipts = Receipts(Clock())
    issued = []
    for guess in [*guesses, *range(100)]:
        receipts.confirm("a", guess)
        number = receipts.issue("a")
        issued += [number] if number is not None else []
    assert len(issued) == 64
    assert receipts.issue("b") is not None, "each Agent has its own"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=100))
def test_who_reads_never_waits(under_way: list[int]) -> None:
    """The last number confirms all before it."""
    receipts = Receipts(Clock())
    for count in under_way:
        numbers = [receipts.issue("a") for _ in range(count)]
        assert None not in numbers
        receipts.confirm("a", numbers[-1] or 0)


def test_what_is_old_is_forgotten() -> None:
    """The connection that held it is gone by then."""
    clock = Clock()
    receipts = Receipts(clock)
    while receipts.issue("a") is not None:
        pass
    clock.now = 59.0
    assert receipts.issue("a") is None
    clock.now = 61.0
    assert receipts.issue("a") is not None
