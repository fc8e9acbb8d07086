"""`kq serve`: a queue without a desktop, for as long as this process lives."""

from __future__ import annotations

import argparse
import json
import logging
import select
import signal

from .. import process
from ..client.session import Session
from ..errors import BadInput, ConnectionLost
from ..settings import MAX_AGENTS, Settings

__all__ = ["serve"]


def serve(options: argparse.Namespace) -> int:
    """Start a session, print its line when it is ready, and end it when asked."""
    if options.agents is not None and not 0 <= options.agents <= MAX_AGENTS:
        raise BadInput(f"--agents {options.agents}: use a number from 0 to {MAX_AGENTS}")
    # `main` prints what keeps a session from starting; the line in the log is for desktops.
    logging.getLogger("kq.client").disabled = True
    settings = Settings.from_environment(data_root=options.data_root, num_agents=options.agents)
    ended: list[int] = []
    wake = process.SignalWake()
    lifeline = process.StdinLifeline() if options.lifeline else None

    def on_signal(number: int, _frame: object) -> None:
        ended.append(number)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    wake.listen()
    session = Session(settings)
    try:
        announced = False
        while not ended:
            if session.failure:
                raise ConnectionLost(session.failure)
            if not announced and session.wait_ready(0.05):
                announced = True
                ready = {key: value for key, value in (session.ready or {}).items() if key != "event"}
                print(json.dumps({"ready": True, **ready}), flush=True)
            if announced:
                _wait_for_end(wake, lifeline, session, ended)
    finally:
        session.close()
        session.wait(settings.grace_s + 10.0)
        wake.close()
    return 0


def _wait_for_end(
    wake: process.SignalWake, lifeline: process.StdinLifeline | None, session: Session, ended: list[int]
) -> None:
    sources = [wake.wake_fd, *([lifeline.wake_fd] if lifeline is not None else [])]
    while not ended and not session.failure:
        ready, _, _ = select.select(sources, [], [], 1.0)
        if lifeline is not None and lifeline.wake_fd in ready and lifeline.is_closed():
            ended.append(0)
