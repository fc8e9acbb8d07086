"""A program that can be kept ready: `python ready.py [--standby FILE] KIND [ARGUMENT ...]`.

With `--standby` it notes its pid in FILE, says that it is ready, and becomes the render it is given, or
misbehaves as FILE.kind says. The render is `sh` with a script, or a kind of misbehaving.py.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

MISBEHAVING = Path(__file__).resolve().parents[1] / "support" / "misbehaving.py"


def render(argv: list[str], was_ready: bool) -> None:
    print(f"{'ready' if was_ready else 'anew'} {os.getpid()}", flush=True)
    if argv[0] == "sh":
        os.execvp("sh", ["sh", "-c", *argv[1:]])
    os.execv(sys.executable, [sys.executable, str(MISBEHAVING), *argv])


def stand_by(note: Path) -> None:
    kind_file = note.with_suffix(".kind")
    kind = kind_file.read_text() if kind_file.exists() else ""
    with note.open("a") as notes:
        notes.write(f"{os.getpid()}\n")
    if kind == "does not load":
        sys.exit("no licence")
    if kind == "loads for ever":
        time.sleep(600)
    if kind == "large" or (kind == "large when told" and "KQ_STANDBY_BEFORE" in os.environ):
        ballast = bytearray(200 << 20)
        ballast[::4096] = b"x" * len(ballast[::4096])
    print("loading plug-ins", flush=True)
    print("kq_standby: ready", flush=True)
    line = sys.stdin.readline()
    if not line:
        return
    if kind == "dies when asked":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "does not answer":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    job = json.loads(line)
    log = os.open(job["log"], os.O_WRONLY | os.O_APPEND)
    print("kq_standby: taken", flush=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    render(job["argv"], was_ready=True)


if __name__ == "__main__":
    if sys.argv[1] == "--standby":
        stand_by(Path(sys.argv[2]))
    else:
        render(sys.argv[1:], was_ready=False)
