"""All errors that kq raises for its callers. A leaf: classes only.

KqError
├── BadInput                  the request is invalid; nothing was changed
│   └── BadSetting            a KQ_* variable or option
├── NotFound                  no such job, task or Agent
├── Refused                   a valid request that is refused; the message has the reason
├── ConnectionLost            the queue or farm does not reply
├── SessionFailed             a session could not be started
├── MalformedMessage          received bytes that are not a valid message of kq
├── RemoteFailed              a step on a remote machine failed (see kq.remote)
└── IllegalTransition         a bug in kq; the message has the previous transitions
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
    """Base class. `str()` of an error is a message for the user."""


class BadInput(KqError):
    """The request is invalid. Nothing was changed."""


class BadSetting(BadInput):
    """A KQ_* variable or a command-line option has no usable value."""


class NotFound(KqError):
    """No such job, task or Agent."""


class Refused(KqError):
    """The request is valid, but refused."""


class ConnectionLost(KqError):
    """The queue or farm does not reply."""


class SessionFailed(KqError):
    """A session could not be started, or its server keeps dying."""

    @classmethod
    def because(cls, error: OSError) -> SessionFailed:
        """Make an error from a system error at the start. For a full disk the message includes what to do."""
        reason = error.strerror or str(error)
        if error.filename:
            reason = f"{reason}: {error.filename}"
        message = f"the queue cannot start ({reason})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message += ": free space on the disk of KQ_DATA_ROOT, or set it to a folder on another disk"
        return cls(message)


class MalformedMessage(KqError):
    """Bytes received are not a valid message of kq, or a message to send is too large."""


class RemoteFailed(KqError):
    """A step on a remote machine failed."""


class IllegalTransition(KqError):
    """A state machine received an event that is illegal in its state: a bug in kq."""
