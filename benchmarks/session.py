"""How long does starting a session block its caller, when are its Agents ready, how soon does it end?

The bare limit is a Python process that imports zmq.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import LONGEST_S, Doorbell, connected_session, figures
from kq.api import JobSpec, Session, Settings

__all__ = ["run"]

_OBEYS = "exec sleep 100000"
_IGNORES = "trap '' TERM INT HUP; while :; do sleep 1; done"


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of milliseconds to start a session, and of seconds to end one with renders running."""
    return _starts(1 if small else 10) + _ends(2 if small else 10, 1 if small else 5)


def _starts(rounds: int) -> list[dict[str, object]]:
    held_ms: list[float] = []
    ready_ms: list[float] = []
    ended_ms: list[float] = []
    bare_ms: list[float] = []
    for _ in range(rounds):
        begin_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import zmq"], check=True)
        bare_ms.append((time.perf_counter() - begin_s) * 1000)
        with tempfile.TemporaryDirectory(prefix="kq-benchmark-") as folder:
            settings = Settings.from_environment({}, data_root=Path(folder), num_agents=2)
            begin_s = time.perf_counter()
            session = Session(settings)
            held_ms.append((time.perf_counter() - begin_s) * 1000)
            try:
                if not session.wait_ready(LONGEST_S):
                    raise RuntimeError(f"the queue did not become ready: {session.failure}")
                ready_ms.append((time.perf_counter() - begin_s) * 1000)
            finally:
                begin_s = time.perf_counter()
                session.close()
                session.wait(LONGEST_S)
                ended_ms.append((time.perf_counter() - begin_s) * 1000)
    return [
        figures("python -c 'import zmq', ms", "bare", bare_ms, bare_ms),
        figures("session start: caller held, ms", "kq", held_ms),
        figures("session start: two Agents ready, ms", "kq", ready_ms, bare_ms),
        figures("session end, nothing running, ms", "kq", ended_ms),
    ]


def _ends(renders: int, rounds: int) -> list[dict[str, object]]:
    rows = []
    for how, script in (("obey", _OBEYS), ("ignore the stop", _IGNORES)):
        taken_s = [_end_s(script, renders) for _ in range(rounds)]
        rows.append(figures(f"session end, {renders} renders that {how}, s", "kq", taken_s))
    return rows


def _end_s(script: str, renders: int) -> float:
    """Return seconds from `close` until no process of the session is left, with all renders running."""
    with connected_session(agents=renders) as (session, folder):
        bell = Doorbell(folder)
        try:
            command = ("/bin/sh", "-c", f"echo >'{bell.path}'; {script}")
            spec = JobSpec(name="renders", commands=(command,), frames=f"1-{renders}", cwd="/")
            session.client.submit(spec)
            rung = 0
            while rung < renders:
                rung += len(bell.wait()[1])
            begin_s = time.perf_counter()
            session.close()
            if not session.wait(LONGEST_S):
                raise RuntimeError("the queue did not end")
            return time.perf_counter() - begin_s
        finally:
            bell.close()
