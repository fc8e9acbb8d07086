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
"""As a shell reports a process that SIGTERM ended."""


class RenderBootError(Exception):
    """The render cannot go on; the text says what was wrong, where, and what to do."""

    exit_code = EXIT_FAILED


class ArgumentError(RenderBootError):
    """The command line asks for something that does not exist or cannot be understood."""

    exit_code = EXIT_BAD_ARGUMENTS


class StopRequested(RenderBootError):
    """Raised on the render thread at the next safe point after a stop was asked for."""

    exit_code = EXIT_STOPPED
