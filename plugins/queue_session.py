"""Ties a kq session to the UI session: starts it, ends it, and keeps why there is none."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from ..kq.api import KqError, Session, Settings, current_session, start_session
from . import import_isolation, registration
from .interpreter import find_interpreter

__all__ = ["end", "problem", "session_settings", "shared_settings", "start", "warning"]

_log = logging.getLogger("KatanaQueue")
_problem = ""
_shared = ""

_PORTS = ("request_port", "update_port", "broadcast_port")


def start() -> Session | None:
    """Start the queue of this UI session, unless it runs. Returns at once; Qt's thread.

    Which Python serves is found on the session's own thread; what is wrong with it the session's client says.
    Returns None when it cannot be started; `problem()` then says why.
    """
    global _problem, _shared  # the tab asks later; there is one session in a process
    running = current_session()
    if running is not None and not running.is_closing:
        return running
    beside = import_isolation.is_beside_katanas_queue()
    if beside:
        _shared = shared_settings(os.environ)
        if _shared:
            _log.warning("%s.", _shared)
    try:
        session = start_session(session_settings(os.environ, beside=beside), find_interpreter)
    except KqError as error:
        _problem = str(error)
        _log.error("Katana Queue could not start: %s", error)
        return None
    _problem = ""
    return session


def end() -> None:
    """Ask the session to end. Returns at once, may be called twice; Qt's thread."""
    session = current_session()
    if session is not None:
        session.close()


def problem() -> str:
    """Why there is no session; empty where there is one, or none was started yet."""
    return _problem


def warning() -> str:
    """What is wrong though the queue runs, for as long as it is: for the tab. Qt's thread."""
    return registration.registration_problem()


def session_settings(environment: Mapping[str, str], *, beside: bool) -> Settings:
    """The settings of the session; `beside` Katana's queue, KQ_*_PORT are its own. Raises BadSetting."""
    if beside:
        theirs = {Settings.variable_of(field) for field in _PORTS}
        environment = {key: value for key, value in environment.items() if key not in theirs}
    return Settings.from_environment(environment)


def shared_settings(environment: Mapping[str, str]) -> str:
    """What both queues read from the same variables, as one message; empty: nothing."""
    numbers = environment.get("KQ_NUM_AGENTS", "").strip()
    parts = []
    if numbers and not environment.get("KQ_OPEN_NUM_AGENTS", "").strip():
        parts.append(
            f"KQ_NUM_AGENTS={numbers} applies to each of the two, so there are twice as many Agents; "
            f"KQ_OPEN_NUM_AGENTS applies to Katana Queue (Open) alone"
        )
    ports = [
        Settings.variable_of(field)
        for field in _PORTS
        if environment.get(Settings.variable_of(field), "").strip()
        and not environment.get(Settings.variables_of(field)[0], "").strip()
    ]
    if ports:
        parts.append(
            f"{', '.join(ports)} {'is' if len(ports) == 1 else 'are'} left to Katana's own queue; "
            f"the system chooses our ports unless KQ_OPEN_*_PORT names them"
        )
    return f"Katana's own Katana Queue runs, too. {'; '.join(parts)}" if parts else ""
