"""A subreaper that starts one of misbehaving's kinds, ends all that came of it, and prints what it saw.

`python keeper.py KIND PIDFILE`. The answer is JSON. It stands for an Agent, whose children
are all its render's.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path

from kq.process import become_subreaper, end_strays, has_children, spawn_render

MISBEHAVING = Path(__file__).resolve().parents[1] / "support" / "misbehaving.py"


def main(kind: str, pidfile: str) -> None:
    become_subreaper()
    with open(os.devnull, "w") as nowhere:
        child = spawn_render(
            [sys.executable, str(MISBEHAVING), kind, pidfile],
            cwd="/",
            environment=os.environ,
            log=nowhere.fileno(),
        )
    if kind == "orphan":
        select.select([child.wake_fd], [], [])
    while "ready" not in Path(pidfile).read_text().split():
        time.sleep(0.005)
    report = end_strays()
    ended = child.poll()
    child.close()
    answer = {
        "processes": report.processes,
        "survivors": report.survivors,
        "code": ended.code if ended else "runs",
        "has_children": has_children(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    Path(sys.argv[2]).touch()
    main(*sys.argv[1:])
