"""What can go wrong in a render, as exceptions whose text is the message for the artist.

RenderBootError (exit code 1)
├── ArgumentError (exit code 2)
└── StopRequested (exit code 143): not a failure, it was requested
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_STOPPED = 128 + 15
"""The exit code a shell reports for a process ended by SIGTERM."""


class RenderBootError(Exception):
    """The render cannot continue; the text is what was wrong, where, and what to do."""

    exit_code = EXIT_FAILED


class ArgumentError(RenderBootError):
    """The command line asks for something that does not exist or cannot be understood."""

    exit_code = EXIT_BAD_ARGUMENTS


class StopRequested(RenderBootError):
    """Raised on the render thread at the next safe point after a stop request."""

    exit_code = EXIT_STOPPED
