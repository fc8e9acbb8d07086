"""Keeps Dr.Jit's messages on loading out of the render's log, and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["without_noise"]

_NOISE = b"jitc_llvm_init(): LLVM API initialization failed"
"""Printed when LLVM is not installed. It is not used here, and artists would take this for an error."""


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Buffer standard error, the libraries' too, within the `with` block; then write all but the noise."""
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
                if not line.startswith(_NOISE):
                    os.write(2, line)
