"""The thread that runs a desktop's queries, cooks, submissions and copies in order."""

from __future__ import annotations

import logging
import threading

import pytest

from host.app.worker import Worker

WAIT_S = 60


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), ValueError("not JSON"), OSError(24)]
)
def test_an_exception_does_not_end_it(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and what comes after it is run."""

    def fail() -> None:
        raise error

    worker, ran = Worker("queries"), threading.Event()
    worker.put(fail)
    worker.put(ran.set)
    assert ran.wait(WAIT_S)
    worker.close()
    (record,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert "queries" in record.getMessage() and str(error) in record.getMessage()


def test_what_was_put_before_the_end_is_run() -> None:
    """In order; and where an exception of it is due to the end, that is no error."""
    worker, gate, ran = Worker("copies"), threading.Event(), list[int]()
    worker.put(lambda: ran.append(int(gate.wait(WAIT_S))))
    worker.put(lambda: ran.append(2))
    gate.set()
    worker.close()
    assert ran == [1, 2]
