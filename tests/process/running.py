"""Running programs as an Agent does, on every system. No test lives here."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from kq.own_files import open_to_append
from kq.process import Child, Exit, spawn_render

__all__ = ["python", "run", "wait", "with_path"]

_ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def with_path(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT), **more}


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
