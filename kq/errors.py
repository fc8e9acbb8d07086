"""Every error that kq raises for its callers to catch. A leaf: classes only.

KqError
├── BadInput                  the request is invalid; nothing was changed
│   └── BadSetting            a KQ_* variable or option
├── NotFound                  no such job, task or Agent
├── Refused                   understood, and not done: the message says why
├── ConnectionLost            no queue answers
├── SessionFailed             a session could not be started
├── MalformedMessage          bytes on the wire that are no message of kq
├── RemoteFailed              a step on another machine failed (see kq.remote)
└── IllegalTransition         a fault of the program; carries the task's story
"""

from __future__ import annotations

import errno

__all__ = [
    "BadInput",
    "BadSetting",
    "ConnectionLost",
    "IllegalTransition",
    "KqError",
    "MalformedMessage",
    "NotFound",
    "Refused",
    "RemoteFailed",
    "SessionFailed",
]


class KqError(Exception):
    """Root of the tree. `str()` of each is a message for users."""


class BadInput(KqError):
    """The request is invalid. Nothing was changed."""


class BadSetting(BadInput):
    """A KQ_* variable or a command-line option has no usable value."""


class NotFound(KqError):
    """No such job, task or Agent."""


class Refused(KqError):
    """Understood, and not done."""


class ConnectionLost(KqError):
    """No queue answers."""


class SessionFailed(KqError):
    """A session could not be started, or its server keeps dying."""

    @classmethod
    def because(cls, error: OSError) -> SessionFailed:
        """The system refused what a queue needs to start. For a full disk the message says what to do."""
        reason = error.strerror or str(error)
        if error.filename:
            reason = f"{reason}: {error.filename}"
        message = f"the queue cannot start ({reason})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message += ": make room on the disk of KQ_DATA_ROOT, or set it to a folder on another"
        return cls(message)


class MalformedMessage(KqError):
    """Bytes on the wire that are no message of kq."""


class RemoteFailed(KqError):
    """A step on another machine failed."""


class IllegalTransition(KqError):
    """A state followed another that it must not follow."""
