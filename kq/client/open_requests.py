"""Requests without a reply: numbered, limited in flight, and sent again when the server has restarted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from .. import errors
from .. import messages as m
from ..errors import KqError

__all__ = ["OpenRequests", "fail"]

_MAX_IN_FLIGHT = 256
"""The server drops replies to a client whose send queue is full."""

Send = Callable[[m._Request], None]


class _Open(NamedTuple):
    request: m._Request
    future: Future[Any]
    result: Callable[[Any], Any]
    """Converts the reply to the future's result."""


class OpenRequests:
    """The requests of one client. Used from its thread only, on which the futures are completed too."""

    def __init__(self) -> None:
        self._last_number = 0
        self._open: dict[int, _Open] = {}
        self._unsent: deque[int] = deque()
        self._in_flight: set[int] = set()

    def new_number(self) -> int:
        """Return a number that no earlier request has."""
        self._last_number += 1
        return self._last_number

    def add(self, request: m._Request, future: Future[Any], result: Callable[[Any], Any]) -> None:
        """Queue a request for the next `send_more`. `future` gets `result(reply)`, or its error."""
        self._open[request.request] = _Open(request, future, result)
        self._unsent.append(request.request)

    def send_more(self, send: Send) -> None:
        """Send queued requests up to the limit in flight. A KqError that `send` raises fails that request."""
        while self._unsent and len(self._in_flight) < _MAX_IN_FLIGHT:
            number = self._unsent.popleft()
            waiting = self._open.get(number)
            if waiting is None:
                continue
            try:
                send(waiting.request)
            except KqError as error:
                del self._open[number]
                fail(waiting.future, error)
            else:
                self._in_flight.add(number)

    def send_all_again(self, send: Send) -> None:
        """Send every request without a reply again, in case the connection lost it."""
        self._in_flight.clear()
        self._unsent = deque(self._open)
        self.send_more(send)

    def take_reply(self, reply: Any) -> None:
        """Complete the future of the request that `reply` answers. Other replies are ignored."""
        self._in_flight.discard(reply.request)
        answered = self._open.pop(reply.request, None)
        if answered is None:
            return
        if isinstance(reply, m.RefusedReply):
            kind = getattr(errors, reply.kind, None)
            if not (isinstance(kind, type) and issubclass(kind, KqError)):
                kind = errors.Refused
            fail(answered.future, kind(reply.message))
        elif answered.future.set_running_or_notify_cancel():
            answered.future.set_result(answered.result(reply))

    def fail_all(self, error: KqError) -> None:
        """Fail every request without a reply with `error`."""
        given_up, self._open = self._open, {}
        for each in given_up.values():
            fail(each.future, error)


def fail(future: Future[Any], error: BaseException) -> None:
    """Give `future` an exception, unless it is done or cancelled."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_exception(error)
