"""Events: queued from any thread, handled later on the thread that processes them, in order.

Handlers are kept weakly, as in Katana: whoever registers a method keeps its object alive.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "IsCollapsedRegistered",
    "IsHandlerRegistered",
    "ProcessAllEvents",
    "ProcessEvents",
    "QueueEvent",
    "RegisterCollapsedHandler",
    "RegisterEventHandler",
    "UnregisterCollapsedHandler",
    "UnregisterEventHandler",
]

_log = logging.getLogger("Katana.EventModule")
_Handler = Callable[..., object]
_Event = tuple[str, Hashable, dict[str, Any]]
_Queued = tuple[int, _Event]
"""An event after its priority."""


@dataclass
class _Entry:
    handler: Callable[[], _Handler | None]
    event_type: str | None
    event_id: Hashable

    def wants(self, event_type: str, event_id: Hashable) -> bool:
        """Return whether the entry's type and ID match; None in the entry matches any."""
        return self.event_type in (None, event_type) and self.event_id in (None, event_id)


_handlers: list[_Entry] = []
_collapsed: list[_Entry] = []
_queue: list[_Queued] = []
_queue_lock = threading.Lock()
_wakers: list[Callable[[], None]] = []


def _weak(handler: _Handler) -> Callable[[], _Handler | None]:
    if hasattr(handler, "__self__") and hasattr(handler, "__func__"):
        return weakref.WeakMethod(handler)
    return weakref.ref(handler)


def _find(
    entries: list[_Entry], handler: _Handler, event_type: str | None, event_id: Hashable
) -> _Entry | None:
    for entry in entries:
        if entry.handler() == handler and (entry.event_type, entry.event_id) == (event_type, event_id):
            return entry
    return None


def _register(
    entries: list[_Entry], handler: _Handler, event_type: str | None, event_id: Hashable, enabled: bool
) -> None:
    found = _find(entries, handler, event_type, event_id)
    if enabled and found is None:
        entries.append(_Entry(_weak(handler), event_type, event_id))
    elif not enabled and found is not None:
        entries.remove(found)


def RegisterEventHandler(
    handler: _Handler, eventType: str | None = None, eventID: Hashable = None, enabled: bool = True
) -> None:
    """Call `handler(eventType, eventID, **kwargs)` for each matching event; `enabled=False` unregisters."""
    _register(_handlers, handler, eventType, eventID, enabled)


def UnregisterEventHandler(handler: _Handler, eventType: str | None = None, eventID: Hashable = None) -> None:
    """Stop calling `handler`."""
    _register(_handlers, handler, eventType, eventID, False)


def IsHandlerRegistered(handler: _Handler, eventType: str | None = None, eventID: Hashable = None) -> bool:
    """Return whether `handler` is registered in just this way."""
    return _find(_handlers, handler, eventType, eventID) is not None


def RegisterCollapsedHandler(
    handler: _Handler, eventType: str | None = None, eventID: Hashable = None, enabled: bool = True
) -> None:
    """Call `handler([(eventType, eventID, kwargs), ...])` once for all matching events in the queue."""
    _register(_collapsed, handler, eventType, eventID, enabled)


def UnregisterCollapsedHandler(
    handler: _Handler, eventType: str | None = None, eventID: Hashable = None
) -> None:
    """Stop calling `handler`."""
    _register(_collapsed, handler, eventType, eventID, False)


def IsCollapsedRegistered(handler: _Handler, eventType: str | None = None, eventID: Hashable = None) -> bool:
    """Return whether `handler` is registered in just this way."""
    return _find(_collapsed, handler, eventType, eventID) is not None


def QueueEvent(eventType: str, eventID: Hashable, priority: int = 0, **kwargs: Any) -> None:
    """Queue an event, handled when the desktop is idle; the highest `priority` comes first. Any thread."""
    order = int(priority)  # raises here, in the caller, and not for all events as they are sorted
    with _queue_lock:
        _queue.append((order, (eventType, eventID, kwargs)))
    for waker in tuple(_wakers):
        waker()


def ProcessEvents() -> bool:
    """Handle the queued events on this thread and return whether there were any."""
    with _queue_lock:
        events = [event for _, event in sorted(_queue, key=lambda queued: -queued[0])]
        _queue.clear()
    for event_type, event_id, arguments in events:
        for entry in tuple(_handlers):
            handler = entry.handler()
            if handler is None:
                _drop(_handlers, entry)
            elif entry.wants(event_type, event_id):
                _call(handler, event_type, event_id, **arguments)
    for entry in tuple(_collapsed):
        handler = entry.handler()
        if handler is None:
            _drop(_collapsed, entry)
            continue
        wanted = [event for event in events if entry.wants(event[0], event[1])]
        if wanted:
            _call(handler, wanted)
    return bool(events)


def _drop(entries: list[_Entry], entry: _Entry) -> None:
    if entry in entries:  # else dropped while a handler processed events itself
        entries.remove(entry)


def ProcessAllEvents() -> None:
    """Handle the queued events and those that the handlers queue."""
    while ProcessEvents():
        pass


def _call(handler: _Handler, *arguments: Any, **keywords: Any) -> None:
    try:
        handler(*arguments, **keywords)
    except (Exception, SystemExit) as error:  # noqa: BLE001  one plug-in's handler must not keep the next from its event
        _log.error(
            "The event handler %s failed: %s: %s",
            getattr(handler, "__qualname__", handler),
            type(error).__name__,
            error,
            exc_info=True,
        )
