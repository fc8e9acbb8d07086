"""What tests of processes on Windows share. No test lives here."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FAMILY", "SLEEP", "words_of"]

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


def words_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
