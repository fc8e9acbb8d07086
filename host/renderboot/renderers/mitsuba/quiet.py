"""Keeps out of a render's log what Dr.Jit says of itself while it is loaded, and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["without_noise"]

_NOISE = b"jitc_llvm_init(): LLVM API initialization failed"
"""Said wherever there is no LLVM library. Nothing here uses one, and an artist would look for a fault."""


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Hold back standard error meanwhile, the libraries' too; afterwards all but the noise is written."""
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
