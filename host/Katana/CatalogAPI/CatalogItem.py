"""CatalogItem: one render in the Catalog, in Katana's API. Qt's thread only.

An item is a handle: its values are kept in this module by the item's ID, and items with equal IDs are equal.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtGui import QPixmap

from ..Utils import EventModule

__all__ = ["CatalogItem"]

_CHANGED = "catalog_itemChanged"
"""Queued with `catalogItemID` and `name`, the changed field, after each change. Not in Katana's API."""

_NO_STATE = "none"
_IN_PROGRESS = "inProgress"


@dataclass
class _Values:
    """The values of one item. Times are in epoch seconds, 0 while unknown."""

    node: str = ""
    slot: int = 1
    sequence_ids: list[int] = field(default_factory=list)
    frame_range: str = ""
    method: str | None = None
    state: str = _NO_STATE
    done: int = 0
    total: int = 0
    start: float = 0.0
    end: float = 0.0
    log: str = ""
    error: tuple[int, str, str] | None = None
    comment: str = ""
    locked: bool = False
    frame_pinned: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    """The values of the graph state variables at the time of the render."""
    pinned_variables: set[str] = field(default_factory=set)
    thumbnail: QPixmap | None = None
    picture: str = ""


_items: dict[str, _Values] = {}
"""All items of the session, newest first."""


class CatalogItem:
    """One render in the Catalog. After the item's deletion most methods raise ValueError."""

    def __init__(self, catalogItemID: str) -> None:
        self._id = str(catalogItemID)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CatalogItem) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __lt__(self, other: CatalogItem) -> bool:
        return self.getIndex() < other.getIndex()

    def __repr__(self) -> str:
        return f"<CatalogItem {self._id}>"

    @property
    def _values(self) -> _Values:
        try:
            return _items[self._id]
        except KeyError:
            raise ValueError(f"The Catalog item {self._id} has been deleted.") from None

    def _set(self, name: str, value: Any) -> None:
        if getattr(self._values, name) != value:
            setattr(self._values, name, value)
            EventModule.QueueEvent(_CHANGED, hash(self._id), catalogItemID=self._id, name=name)

    # --- Identity ---

    def isValid(self) -> bool:
        """Return whether the item is still in the Catalog."""
        return self._id in _items

    def getCatalogItemID(self) -> str:
        """Return the item's ID, unique in the session."""
        return self._id

    def getIndex(self) -> int:
        """Return the item's index in the Catalog, 0 for the newest; -1 once it is deleted."""
        return list(_items).index(self._id) if self._id in _items else -1

    def getSlot(self) -> int:
        """Return the number of the Catalog slot; 1 by default."""
        return self._values.slot

    def setSlot(self, value: int) -> None:
        """Set the number of the Catalog slot."""
        self._set("slot", int(value))

    def getMainSequenceID(self) -> int | None:
        """Return the sequence ID of the render, or None for an item without a render."""
        return self._values.sequence_ids[0] if self._values.sequence_ids else None

    def getSequenceIDs(self) -> list[int]:
        """Return the sequence IDs of the render's pictures; the stand-in has at most one."""
        return list(self._values.sequence_ids)

    def getShortDescription(self) -> str:
        """Return a label for the item: node, frames and graph state variables."""
        frames = self.getFrameRange()
        parts = [self.getNodeName(), *([f"frame {frames}"] if frames else [])]
        return ", ".join([*parts, *(f"{name}={value}" for name, value in self._values.variables.items())])

    # --- What was rendered ---

    def getNodeName(self) -> str:
        """Return the name of the rendered node."""
        return self._values.node

    def setNodeName(self, name: str) -> None:
        """Set the name of the rendered node."""
        self._set("node", str(name))

    def getFrameRange(self) -> str:
        """Return the frames as text, such as `7` or `1-10`."""
        return self._values.frame_range

    def setFrameRange(self, frameRange: str) -> None:
        """Set the frames, as text."""
        self._set("frame_range", str(frameRange))

    def getStartFrame(self) -> int:
        """Return the first frame; 0 where none is set."""
        return self._frames()[0]

    def getEndFrame(self) -> int:
        """Return the last frame; 0 where none is set."""
        return self._frames()[1]

    def _frames(self) -> tuple[int, int]:
        # A minus after a digit, or with spaces around it, parts two frames; others are signs, as in -10--5.
        parts = re.split(r"(?<=[\d.])(?:-|\s+-\s+)|[,\s]+", re.sub(r"x\d+", "", self._values.frame_range))
        frames = [round(float(part)) for part in parts if part] or [0]
        return frames[0], frames[-1]

    def getRenderMethodType(self) -> str | None:
        """Return the render method, one of RenderManager.RenderModes, or None."""
        return self._values.method

    def setRenderMethodType(self, renderMethodType: str | None) -> None:
        """Set the render method."""
        self._set("method", renderMethodType)

    def isLiveRender(self) -> bool:
        """Return whether the item is of a live render."""
        return self._values.method == "liveRender"

    # --- State and progress ---

    def getRenderState(self) -> str:
        """Return one of CatalogAPI.RENDER_STATE_*."""
        return self._values.state

    def setRenderState(self, state: str) -> None:
        """Set the state, one of CatalogAPI.RENDER_STATE_*."""
        self._set("state", state)

    def isInProgress(self) -> bool:
        """Return whether the render has not ended."""
        return self._values.state == _IN_PROGRESS

    def getRenderProgress(self) -> tuple[int, int]:
        """Return (tasks completed, total tasks); (0, 0) while unknown. The desktop counts samples."""
        return self._values.done, self._values.total

    def setRenderProgress(self, tasksCompleted: int, totalTasks: int) -> None:
        """Set the progress as completed and total tasks."""
        self._set("total", int(totalTasks))
        self._set("done", int(tasksCompleted))

    def getRenderStartTime(self) -> float:
        """Return the start time in epoch seconds; 0 before the start."""
        return self._values.start

    def setRenderStartTime(self, t: float) -> None:
        """Set the start time, in epoch seconds."""
        self._set("start", float(t))

    def getRenderEndTime(self) -> float:
        """Return the end time in epoch seconds; 0 before the end."""
        return self._values.end

    def setRenderEndTime(self, t: float) -> None:
        """Set the end time, in epoch seconds."""
        self._set("end", float(t))

    def getRenderElapsedTime(self) -> float:
        """Return the render time so far or in total, in seconds; 0 before the start."""
        values = self._values
        return max(0.0, (values.end or time.time()) - values.start) if values.start else 0.0

    def getRenderElapsedTimeAsText(self) -> str:
        """Return the render time as `M:SS`."""
        minutes, seconds = divmod(round(self.getRenderElapsedTime()), 60)
        return f"{minutes}:{seconds:02d}"

    def getRenderError(self) -> tuple[int, str, str] | None:
        """Return the error as (code, node, message), or None."""
        return self._values.error

    def setRenderError(self, errorCode: int, nodeName: str, message: str) -> None:
        """Set the error: its code, node and message."""
        self._set("error", (int(errorCode), str(nodeName), str(message)))

    def getRenderLog(self) -> str:
        """Return the text of the render log so far."""
        return self._values.log

    def appendToRenderLog(self, message: str) -> None:
        """Append `message` to the render log."""
        self._set("log", self._values.log + str(message))

    def resetRenderLog(self) -> None:
        """Empty the render log."""
        self._set("log", "")

    # --- Pictures ---

    def getThumbnailPixmap(self) -> QPixmap | None:
        """Return the thumbnail, or None while there is none."""
        return self._values.thumbnail

    def setThumbnailPixmap(self, value: QPixmap | None) -> None:
        """Set the thumbnail."""
        self._set("thumbnail", value)

    def getDiskImageLocation(self, layerview: object) -> str:
        """Return the path of the picture on disk; empty where there is none."""
        del layerview
        return self._values.picture

    def setDiskImageLocation(self, filename: str, layerview: object) -> None:
        """Set the path of the picture on disk."""
        del layerview
        self._set("picture", str(filename))

    # --- The artist's comment, lock and pins ---

    def getUserComment(self) -> str:
        """Return the artist's comment."""
        return self._values.comment

    def setUserComment(self, value: str, final: bool = True) -> None:
        """Set the artist's comment."""
        del final
        self._set("comment", str(value))

    def isLocked(self) -> bool:
        """Return whether the item is kept when the Catalog is cleared."""
        return self._values.locked

    def setLock(self, isLocked: bool) -> None:
        """Set whether the item is kept when the Catalog is cleared."""
        self._set("locked", bool(isLocked))

    def toggleLock(self) -> None:
        """Lock an unlocked item, or unlock a locked one."""
        self.setLock(not self.isLocked())

    def isFramePinned(self) -> bool:
        """Return whether repeating the render uses this item's frame and not the current one."""
        return self._values.frame_pinned

    def setFramePinned(self, isPinned: bool) -> None:
        """Set whether repeating the render uses this item's frame and not the current one."""
        self._set("frame_pinned", bool(isPinned))

    def isGSVPinned(self, gsvName: str) -> bool:
        """Return whether repeating the render uses this item's value of the graph state variable."""
        return gsvName in self._values.pinned_variables

    def setGSVPinned(self, gsvName: str, isPinned: bool) -> None:
        """Set whether repeating the render uses this item's value of the graph state variable."""
        pinned = set(self._values.pinned_variables) - {gsvName}
        self._set("pinned_variables", pinned | {gsvName} if isPinned else pinned)
