"""How Katana's API reaches the renders of the desktop: an interface, and the one object that implements it.

`host.Katana` calls it and `host.app` implements it, so that neither needs the other's modules.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class RenderMethod(Enum):
    """How a picture is asked for."""

    PREVIEW = ("previewRender", "preview", "Preview Render")
    """A picture for the Monitor and the Catalog."""
    LIVE = ("liveRender", "live", "Live Render")
    """Pictures for the Monitor and the Catalog of the scene as it changes, until it is stopped."""
    DISK = ("diskRender", "disk", "Disk Render")
    """A picture in the file that the Render node names."""

    def __init__(self, type_name: str, method_name: str, label: str) -> None:
        self.type_name = type_name
        self.method_name = method_name
        self.label = label

    @classmethod
    def of_type(cls, type_name: str) -> RenderMethod:
        """Return the method whose type Katana calls `type_name`; raises ValueError for an unknown one."""
        for method in cls:
            if method.type_name == type_name:
                return method
        raise ValueError(f"Unknown render method: {type_name!r}")


class RenderService(Protocol):
    """The renders of the desktop, known by their sequence IDs. Qt's thread; nothing here waits."""

    def start_render(self, node: str, farm: str, method: RenderMethod) -> int:
        """Start a render of the node and return its sequence ID."""

    def ask_for_frames(self, node: str, farm: str) -> None:
        """Ask the artist which frames of a Render node to render to disk, and start that."""

    def cancel_render(self, sequence_id: int) -> bool:
        """Ask for the end of a render; False where it is unknown or has ended."""

    def cancel_all(self) -> int:
        """Ask for the end of all renders and return how many were asked."""

    def cancel_latest(self) -> bool:
        """Ask for the end of the latest render that has not ended; False where there is none."""

    def repeat_latest(self) -> bool:
        """Render the node of the latest render again, as the scene is now; False where there is none."""

    def restart_render(self, sequence_id: int) -> bool:
        """Render the node of a render again, as the scene is now; False where it is unknown."""

    def is_in_progress(self, sequence_id: int) -> bool:
        """Return whether the render is known and has not ended."""


_service: RenderService | None = None


def set_render_service(service: RenderService | None) -> None:
    """Make `service` the one that Katana's API uses."""
    global _service
    _service = service


def render_service() -> RenderService:
    """Return the service; raises RuntimeError where no desktop runs, as in batch mode."""
    if _service is None:
        raise RuntimeError("No desktop is running: nothing can be rendered from it.")
    return _service
