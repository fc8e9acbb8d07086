"""A connection to the live session, for the time of one command."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import Future
from typing import TypeVar

from ..client.discovery import find_session
from ..client.mirror import ConnectionStatus, QueueChange
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
        done: Future[None] = Future()

        def on_change(change: QueueChange) -> None:
            if done.done():
                return
            if change.status is ConnectionStatus.CONNECTED:
                done.set_result(None)
            elif change.status is ConnectionStatus.ENDED:
                done.set_exception(ConnectionLost(change.message))

        remove = self.client.add_listener(on_change)
        try:
            answer(done)
        except ConnectionLost:
            self.client.close()
            raise
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
    except TimeoutError as error:
        raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:.0f} s") from error
