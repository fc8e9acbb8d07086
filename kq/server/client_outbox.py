"""Sends replies and changes to clients: after the journal was written, and shortly after orders to Agents."""

from __future__ import annotations

import logging

import msgspec

from ..errors import MalformedMessage
from ..messages import ChangesEvent, DoneReply, RefusedReply
from ..wire import ServerWire
from .change_feed import ChangeFeed

__all__ = ["ClientOutbox"]

_AFTER_ORDERS_S = 0.005
"""Seconds that messages to clients are delayed after an order to an Agent, unless an attempt ends before.
Clients that wake up would use the cores that the new process needs."""
_log = logging.getLogger("kq.server")


class ClientOutbox:
    """The messages to be sent to clients. Server thread only."""

    def __init__(self, wire: ServerWire, change_feed: ChangeFeed) -> None:
        self._wire = wire
        self._change_feed = change_feed
        self._replies: list[tuple[bytes, msgspec.Struct]] = []
        self._held_until: float | None = None

    def reply(self, peer: bytes, message: msgspec.Struct) -> None:
        """Send `message` to a peer of the request port at the next `flush`."""
        self._replies.append((peer, message))

    def hold(self, now: float) -> None:
        """Delay messages after an order to an Agent: its process should start before clients wake."""
        if self._held_until is None:
            self._held_until = now + _AFTER_ORDERS_S

    def release(self) -> None:
        """End the delay, since an attempt ended."""
        if self._held_until is not None:
            self._held_until = 0.0

    def due_in_s(self, now: float) -> float:
        """Seconds until `flush` has something to send. `now`: monotonic seconds."""
        if self._held_until is not None:
            return max(self._held_until - now, 0.0)
        return self._change_feed.due_in_s(now)

    def flush(self, now: float, *, is_durable: bool) -> None:
        """Send what is due. To be called after the journal was written, or could not be.

        Args:
            is_durable: whether the changes that clients requested are in the journal's file.
        """
        if self._held_until is None or now >= self._held_until:
            self.flush_all(now, is_durable=is_durable)

    def flush_all(self, now: float, *, is_durable: bool) -> None:
        """Send the replies and the due changes, without the delay after orders."""
        self._held_until = None
        replies, self._replies = self._replies, []
        for peer, message in replies:
            if not is_durable and isinstance(message, DoneReply):
                message = msgspec.structs.replace(message, durable=False)
            try:
                self._wire.send(peer, message)
            except MalformedMessage as error:
                _log.error("a %s could not be sent: %s", type(message).__name__, error)
                if (request := getattr(message, "request", None)) is not None:
                    refusal = RefusedReply(request=request, kind="Refused", message=str(error))
                    self._wire.send(peer, refusal)  # else the client would wait for ever
        for event in self._change_feed.take(now):
            self._wire.publish_to_clients(event)

    def close(self, now: float, *, is_durable: bool) -> None:
        """Send what is left, then the message that the server stops."""
        self.flush_all(now, is_durable=is_durable)
        self._wire.publish_to_clients(ChangesEvent(sequence=self._change_feed.sequence + 1, stopping=True))
