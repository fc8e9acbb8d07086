"""The state of one render and its phases. Data only; changed by `rendering.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ..Katana.FarmAPI import Job
from ..render_service import RenderMethod
from .frame_sequence import FrameRequest


class Phase(Enum):
    """The phases of a render; the values are shown to the artist."""

    PREPARING = "Preparing"
    WAITING = "Waiting"
    RUNNING = "Rendering"
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    REFUSED = "Not submitted"


PHASES = {
    Job.State.kWaiting: Phase.WAITING,
    Job.State.kRunning: Phase.RUNNING,
    Job.State.kCompleted: Phase.COMPLETED,
    Job.State.kCancelled: Phase.CANCELLED,
    Job.State.kFailed: Phase.FAILED,
}


@dataclass
class Render:
    """One render. Changed on Qt's thread only.

    `sequence_id` is unique in the session. `asked_at` is in epoch seconds, to compare with a file's. `reason`
    is why it failed or was refused. Other times are monotonic seconds, 0 where not yet. `camera` is empty
    where the renderer chooses one. `variables` are the graph state variables that it was started with.
    `sequence` has the frames of a Disk Render of several; None for a render of `frame` alone.
    """

    node: str
    farm: str
    method: RenderMethod
    frame: float
    sequence_id: int = 0
    asked_at: float = 0.0
    sequence: FrameRequest | None = None
    phase: Phase = Phase.PREPARING
    job_id: str = ""
    picture: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    camera: str = ""
    samples: int | None = None
    log_file: str | None = None
    reason: str = ""
    problem: str = ""
    """Why a live render cannot show the current scene; the last valid picture stays."""
    has_shown: bool = False
    """Whether a live render has shown a picture."""
    submitted_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def picture_file(self) -> Path | None:
        """The file that can be shown: the PNG, which renderboot writes beside every EXR."""
        return self.picture.with_suffix(".png") if self.picture is not None else None

    @property
    def ended(self) -> bool:
        """Whether the render has completed, failed, or was cancelled or refused."""
        return self.phase in (Phase.COMPLETED, Phase.CANCELLED, Phase.FAILED, Phase.REFUSED)
