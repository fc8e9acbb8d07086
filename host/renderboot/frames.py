"""Several frames in one process, one after the other: the renderer is loaded once.

Each single frame is rendered by job.py.
"""

from __future__ import annotations

from . import job
from .arguments import Arguments
from .errors import EXIT_OK
from .renderers import load_renderer
from .report import Report


def run(arguments: Arguments) -> int:
    """Render the one frame or several that `arguments` specify.

    Returns:
        The exit code of the last rendered frame; the first frame that fails or is stopped ends the run.
    """
    if not arguments.frames:
        return job.run(arguments)
    code = EXIT_OK
    report = _PartReport(len(arguments.frames))
    with report.timed(f"renderer {arguments.renderer} loaded"):
        renderer = load_renderer(arguments.renderer)
    for place, frame in enumerate(arguments.frames):
        report.part = place
        code = job.run(arguments.of_frame(frame), renderer, report)
        if code != EXIT_OK:
            break
    return code


class _PartReport(Report):
    """Reports the progress within each of `parts` frames as progress of the whole."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self._parts = parts
        self.part = 0
        """Index of the current part."""

    def progress(self, fraction: float) -> None:
        super().progress((self.part + fraction) / self._parts)
