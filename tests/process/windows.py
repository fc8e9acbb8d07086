"""What tests of processes on Windows share: programs, and waiting as an Agent does. No test lives here."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from kq.files import open_to_append
from kq.process import Child, Exit, spawn_render

__all__ = ["FAMILY", "ROOT", "SLEEP", "python", "run", "wait", "with_path", "words_of"]

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import time; time.sleep(600)"
FAMILY = """
import os, subprocess, sys, time
folder, kind = sys.argv[1:]
def note(text):
    with open(os.path.join(folder, "pids"), "a") as file:
        file.write(text + chr(10))
child = "import time; time.sleep(600)"
start = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], creationflags=8)"
middle = f"import subprocess, sys; print({start}.pid)"
flags = {"plain": 0, "detached": 0x8, "group": 0x200, "console": 0x10, "no window": 0x8000000}
note(str(os.getpid()))
if kind == "breakaway":
    try:
        subprocess.Popen([sys.executable, "-c", child], creationflags=0x1000000)
    except PermissionError:
        note("refused")
elif kind == "orphan":
    note(subprocess.check_output([sys.executable, "-c", middle], text=True).strip())
else:
    note(str(subprocess.Popen([sys.executable, "-c", child], creationflags=flags[kind]).pid))
note("ready")
time.sleep(600)
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def with_path(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def wait(child: Child) -> Exit:
    """Wait as an Agent does: until `wake_fd` is readable."""
    assert select.select([child.wake_fd], [], [], 60)[0]
    ended = child.poll()
    assert ended is not None
    child.close()
    return ended


def run(argv: list[str], folder: Path, environment: dict[str, str] | None = None) -> tuple[Exit, str]:
    """Run a render to its end; how it ended, and its log."""
    log_file = folder / "log"
    log = open_to_append(log_file)
    try:
        child = spawn_render(argv, cwd=folder, environment=environment or dict(os.environ), log=log)
    finally:
        os.close(log)
    return wait(child), log_file.read_text(encoding="utf-8")


def words_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
