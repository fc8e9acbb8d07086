"""What a process of Linux waits for, as the kernel knows it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["all_threads_sleep", "waits_for_input"]


def waits_for_input(pid: int) -> bool:
    """Whether it sleeps in a read of its standard input."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return False
    return words[:2] == ["0", "0x0"]


def all_threads_sleep(pid: int) -> bool:
    """Whether every thread of the process sleeps: it has read all that was written for it."""
    try:
        texts = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False  # a thread has ended meanwhile
    return {text.rpartition(")")[2].split()[0] for text in texts} == {"S"}
