"""A connection to the live session, for the time of one command."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from ..client.discovery import find_session
from ..client.mirror import ConnectionStatus
from ..client.queue_client import QueueClient
from ..errors import ConnectionLost
from ..plain_text import one_line
from ..settings import Settings

__all__ = ["Connected", "answer"]

_ANSWER_S = 15.0
T = TypeVar("T")


class Connected:
    """A client of the live session, for the time of one command."""

    def __init__(self, options: argparse.Namespace, *, history: bool = True) -> None:
        settings = Settings.from_environment(data_root=options.data_root)
        record = find_session(settings.data_root)
        self.client = QueueClient(history=history)
        self.client.connect(record)
        self._session = record.session

    def __enter__(self) -> QueueClient:
        until = time.monotonic() + _ANSWER_S
        done: Future[None] = Future()
        remove = self.client.add_listener(
            lambda change: (
                done.set_result(None)
                if change.status is ConnectionStatus.CONNECTED and not done.done()
                else None
            )
        )
        try:
            done.result(max(until - time.monotonic(), 0.0))
        except FutureTimeoutError as error:
            self.client.close()
            raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
        remove()
        if problem := self.client.queue().problem:
            print(f"kq: the queue has a problem: {one_line(problem)}", file=sys.stderr)
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.client.join(2.0)


def answer(future: Future[T]) -> T:
    """What the queue answered. Raises its KqError, or ConnectionLost when none came in time."""
    try:
        return future.result(_ANSWER_S)
    except FutureTimeoutError as error:
        raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
