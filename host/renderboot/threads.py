"""Process facilities of a render: the render thread, stop signals, a memory limit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from .errors import RenderBootError

_MEMORY_SHARE = 0.8
"""Share of the machine's memory that is the default limit."""
_STACK_BYTES = 255 * 2**20
"""Stack size of the render thread, in bytes. On Windows, Python accepts less than 256 MiB."""
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGBREAK")
"""The last is Windows' CTRL_BREAK."""


def start_render_thread(target: Callable[[], None]) -> threading.Thread:
    """Start a thread with a deep stack: USD composes and destroys by recursion, thousands of levels deep."""
    old_stack_size = threading.stack_size(_STACK_BYTES)
    # Daemon: a pass that ignores cancel() must not keep the process alive.
    thread = threading.Thread(target=target, name="render", daemon=True)
    thread.start()
    threading.stack_size(old_stack_size)
    return thread


@contextmanager
def stop_signals(on_stop: Callable[[], None]) -> Iterator[None]:
    """While this lasts, a signal that asks for the end calls `on_stop`; off the main thread none does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [int(getattr(signal, name)) for name in _STOP_SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: on_stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class MemoryLimit:
    """The memory limit of this process."""

    def __init__(self, limit: int | None) -> None:
        """
        Args:
            limit: bytes; None: a share of the machine's memory.
        """
        self._process = psutil.Process()
        self._limit = limit or int(_MEMORY_SHARE * psutil.virtual_memory().total)

    def held(self) -> int:
        """The bytes that the process holds."""
        return int(self._process.memory_info().rss)

    def check(self) -> None:
        """Raise RenderBootError above the limit, before the system kills the process."""
        held = self.held()
        if held > self._limit:
            raise RenderBootError(
                f"The scene needs more memory than this render may use: {held / 2**30:.1f} GiB held, "
                f"the limit is {self._limit / 2**30:.1f} GiB. Simplify the scene, or set -memoryLimit."
            )
