"""Why a render ended, in words for people."""

from __future__ import annotations

from kq.agent.output import OutputNews

__all__ = ["how_ended", "why_failed"]


def why_failed(exit_code: int | None, news: OutputNews) -> str:
    """One sentence: what the output said last, and how the process ended."""
    how = how_ended(exit_code)
    said = news.last_error or news.last_line
    return f"{said} ({how})" if said else how


def how_ended(exit_code: int | None) -> str:
    """What the exit code says, as the end of a sentence."""
    if exit_code is None:
        return "it ended, and nobody saw how"
    if exit_code < 0:
        return f"ended by signal {-exit_code} ({_signal_name(-exit_code)})"
    return f"exit code {exit_code}"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
