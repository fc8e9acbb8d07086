"""Threads that compute stand still while Qt's thread is at work, and never keep anything from ending."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from katana_queue.plugins import gil_yield as module
from katana_queue.plugins.gil_yield import GilYield, gil_yield
from katana_queue.plugins.Tabs.KatanaQueue.models import log_reader
from katana_queue.plugins.Tabs.KatanaQueue.models.log_reader import LogReader

from tests.tab.using import Settle


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a test may hold the way for long."""
    monkeypatch.setattr(module, "LONGEST_S", 1e9)


class _Watched(GilYield):
    """Counts how often somebody looked."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self._looked = threading.Condition()

    def is_taken(self) -> bool:
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        return super().is_taken()

    def wait_for_looks(self, more: int) -> None:
        """Until somebody has looked so many times more."""
        with self._looked:
            enough = self.looks + more
            assert self._looked.wait_for(lambda: self.looks >= enough, 30)


def test_taken_until_the_outermost_is_left() -> None:
    """Qt draws one thing from within another: the way is free when all are done."""
    way = GilYield()
    assert not way.is_taken()
    with way:
        with way:
            assert way.is_taken()
        assert way._depth == 1
        assert way.is_taken()
    assert way._depth == 0


def test_not_taken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opens a dialog from within waits for a person: logs are read meanwhile."""
    way = GilYield()
    with way:
        assert way.is_taken()
        monkeypatch.setattr(module, "LONGEST_S", 0.0)
        assert not way.is_taken()


def test_an_error_gives_it_back() -> None:
    """Or nothing would be read any more."""
    way = GilYield()
    with pytest.raises(ValueError, match="in drawing"), way:
        raise ValueError("in drawing")
    assert way._depth == 0


def test_who_gives_way_goes_on_afterwards() -> None:
    """It looks again and again while the way is taken, and works when it is free."""
    way, order, ending = _Watched(), [], threading.Event()

    def work() -> None:
        way.give_way(ending, 0.0001)
        order.append("thread")

    thread = threading.Thread(target=work)
    with way:
        thread.start()
        way.wait_for_looks(5)
        order.append("Qt")
    thread.join(30)
    assert order == ["Qt", "thread"]


def test_who_rests_goes_on_while_the_way_is_taken_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for it: for news of the queue, or for an answer."""
    way = _Watched()
    monkeypatch.setattr(module, "TIMEOUT_S", 0.01)
    with way:
        way.rest()
        assert way.looks >= 1


def test_who_rests_lets_qt_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the way is taken it looks again and again; free, it works."""
    way, order = _Watched(), []
    monkeypatch.setattr(module, "TIMEOUT_S", 30.0)

    def work() -> None:
        way.rest()
        order.append("thread")

    thread = threading.Thread(target=work)
    with way:
        thread.start()
        way.wait_for_looks(5)
        order.append("Qt")
    thread.join(30)
    assert order == ["Qt", "thread"]


def test_the_end_waits_for_no_way() -> None:
    """A thread that is told to end does so, whoever has the way."""
    way, ending = _Watched(), threading.Event()
    thread = threading.Thread(target=way.give_way, args=(ending, 0.0001))
    with way:
        thread.start()
        way.wait_for_looks(2)
        ending.set()
        thread.join(30)
        assert not thread.is_alive()


def test_reader_stands_still_and_goes_on(
    qtbot: Any, tmp_path: Path, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a line of a log is looked at while the way is taken; afterwards all are."""
    log = tmp_path / "render.log"
    log.write_bytes(b"a line of many\n" * 200_000 + b"Error: the last one\n")
    way = _Watched()
    monkeypatch.setattr(log_reader, "gil_yield", way)
    reader = LogReader()
    told: list[log_reader.LogState] = []
    reader.state_changed.connect(told.append)
    with way:
        reader.open(str(log))
        way.wait_for_looks(3)
        place = reader._severity.next_line
        way.wait_for_looks(20)
        assert reader._severity.next_line == place < 200_000
    settle(lambda: bool(told) and told[-1].is_scanned)
    assert told[-1].errors.count == 1
    reader.close()
    assert reader.wait(5)


def test_what_other_threads_bring_is_taken_in_with_it(qtbot: Any, tmp_path: Path, settle: Settle) -> None:
    """And so is what follows from it at once."""
    log = tmp_path / "render.log"
    log.write_text("one\n")
    reader = LogReader()
    depths: list[int] = []
    reader.state_changed.connect(lambda _state: depths.append(gil_yield._depth))
    reader.open(str(log))
    settle(lambda: bool(depths))
    assert depths[0] == 1
    assert gil_yield._depth == 0
    reader.close()
    assert reader.wait(5)
