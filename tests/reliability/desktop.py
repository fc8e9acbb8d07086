"""A desktop without a window: starts the queue as a plug-in would, says when it is ready, and stays.

`python desktop.py`. It ends the session, and itself, when its standard input ends.
"""

from __future__ import annotations

import json
import sys

from kq.api import start_session


def main() -> int:
    session = start_session()
    if not session.wait_ready(60):
        print(session.failure, file=sys.stderr)
        return 1
    print(json.dumps({"ready": True, **(session.ready or {})}), flush=True)
    sys.stdin.read()
    session.close()
    return 0 if session.wait(60) else 1


if __name__ == "__main__":
    sys.exit(main())
