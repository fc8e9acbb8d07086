"""Checks whether kq can use this process's pyzmq, before the rest of kq.wire is imported.

In Katana it may be Katana's own: the one imported first is used by the whole process.
"""

from __future__ import annotations

import zmq

__all__ = ["OLDEST_PYZMQ", "check_pyzmq"]

OLDEST_PYZMQ = (24, 0)
"""The first with wheels for CPython 3.11, and the oldest with which tests/wire pass."""


def check_pyzmq() -> None:
    """Raise ImportError, with a message for the user, when pyzmq is too old or has no CURVE."""
    where = getattr(zmq, "__file__", None) or "an unknown place"
    version = str(getattr(zmq, "__version__", "of an unknown version"))
    parts = version.split(".")[:2]
    if not all(part.isdigit() for part in parts) or tuple(map(int, parts)) < OLDEST_PYZMQ:
        raise ImportError(
            f"pyzmq {version} of {where} is too old: Katana Queue needs {OLDEST_PYZMQ[0]}.{OLDEST_PYZMQ[1]} "
            f"or later in this process",
            name="kq.wire",
        )
    if not zmq.has("curve"):
        raise ImportError(
            f"pyzmq {version} of {where} has no CURVE, so nothing could be encrypted: use one with libsodium",
            name="kq.wire",
        )


check_pyzmq()
