"""Keeps what renderers print of themselves on loading out of the render's log, and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["without_noise"]


@contextlib.contextmanager
def without_noise(noise: tuple[bytes, ...]) -> Iterator[None]:
    """Buffer standard error, the libraries' too, within the `with` block; then write all but the noise.

    Args:
        noise: What lines to leave out begin with.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            # Not sys.stderr: a test may have put another stream there.
            for line in held.read().splitlines(keepends=True):
                if not line.startswith(noise):
                    os.write(2, line)
