"""Starts and ends the kq session of this UI session, and keeps the error if it could not be started."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from ..kq.api import KqError, Session, Settings, current_session, start_session
from . import import_isolation, registration
from .interpreter import find_interpreter

__all__ = ["end", "failure", "problem", "session_settings", "shared_settings", "start", "warning"]

_log = logging.getLogger("KatanaQueue")
_problem = ""
_shared = ""

_PORTS = ("request_port", "update_port", "broadcast_port")


def start() -> Session | None:
    """Start the queue of this UI session, unless it is running. Returns at once; Qt's thread.

    The Python interpreter is searched for on the session's own thread, and its client reports the errors.

    Returns:
        The session; None when it cannot be started, for example because a setting is invalid. `problem()`
        then returns the error.
    """
    global _problem, _shared  # read later by `problem`; one session at a time in a process
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
    """Begin to end the session, if there is one. Returns at once; may be called twice. Qt's thread."""
    session = current_session()
    if session is not None:
        session.close()


def problem() -> str:
    """Return the error of the last `start`; empty when it succeeded or was not called yet. Qt's thread."""
    return _problem


def failure() -> str:
    """Return why the queue will not start, or start again; empty while it may take jobs. Qt's thread."""
    session = current_session()
    return _problem if session is None else session.failure


def warning() -> str:
    """Return a warning for the tab to show while the queue runs; empty when there is none. Qt's thread."""
    return registration.registration_problem()


def session_settings(environment: Mapping[str, str], *, beside: bool) -> Settings:
    """Read the session's settings from environment variables.

    Args:
        environment: the variables to read.
        beside: whether Katana's own queue is in this process, too. KQ_*_PORT are then its ports, not ours.

    Raises:
        BadSetting: a variable has an invalid value.
    """
    if beside:
        theirs = {Settings.variable_of(field) for field in _PORTS}
        environment = {key: value for key, value in environment.items() if key not in theirs}
    return Settings.from_environment(environment)


def shared_settings(environment: Mapping[str, str]) -> str:
    """Return a warning about variables that Katana's own queue reads as well; empty when none is set."""
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
