"""Nodes2DAPI: ending and repeating renders that run in processes of their own."""

from __future__ import annotations

import signal as _signal

from ..render_service import render_service

__all__ = [
    "GetRenderTerminationSignal",
    "IsExternalRenderInProgress",
    "KillExternalRender",
    "RestartExternalRender",
    "SignalExternalRender",
]

_TERMINATION_SIGNALS = {"prman": _signal.SIGINT}
"""Renderers that write what they have on another signal than SIGTERM."""


def GetRenderTerminationSignal(rendererName: str) -> int:
    """Return the signal on which the renderer ends and keeps its picture so far: SIGTERM, but for a few."""
    return int(_TERMINATION_SIGNALS.get(rendererName, _signal.SIGTERM))


def IsExternalRenderInProgress(sequenceID: int) -> bool:
    """Return whether the render is known and has not ended."""
    return render_service().is_in_progress(sequenceID)


def KillExternalRender(sequenceID: int, waitOnCompletion: bool) -> None:
    """Stop the render on its farm. `waitOnCompletion` is ignored: the call never waits."""
    del waitOnCompletion
    render_service().cancel_render(sequenceID)


def RestartExternalRender(sequenceID: int) -> None:
    """Render the node of that render again, as the scene is now, with a sequence ID of its own."""
    render_service().restart_render(sequenceID)


def SignalExternalRender(sequenceID: int, signal: int) -> None:
    """Pass a signal to the render. Farms know no signals: one that ends renders stops the job."""
    if signal in (_signal.SIGINT, _signal.SIGTERM, getattr(_signal, "SIGKILL", _signal.SIGTERM)):
        render_service().cancel_render(sequenceID)
