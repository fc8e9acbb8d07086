"""The thread that runs a desktop's queries, cooks, submissions and copies in order."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from host.app.worker import Worker

WAIT_S = 60


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't start new thread"), ValueError("not JSON"), OSError(24), SystemExit("quota")],
)
def test_an_exception_does_not_end_it(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
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


def test_what_was_put_before_the_end_is_run(caplog: pytest.LogCaptureFixture) -> None:
    """In order; an exception is no error then, as Qt may have deleted the object whose signal is emitted."""
    worker, ran = Worker("copies"), list[int]()

    def fail() -> None:
        while not worker._closed:
            time.sleep(0.001)
        ran.append(1)
        raise RuntimeError("Internal C++ object already deleted.")

    worker.put(fail)
    worker.put(lambda: ran.append(2))
    worker.close()
    assert ran == [1, 2]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
