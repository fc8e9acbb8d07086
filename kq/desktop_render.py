"""How the desktop that submitted a render starts it again, written down at submission. A leaf."""

from __future__ import annotations

import msgspec

__all__ = ["DesktopRender"]


class DesktopRender(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A render that only sends its pixels to the desktop that submitted it, and writes no picture file.

    Its commands are worth nothing once that desktop has ended; with these values any desktop with the same
    scene can render the same picture again.
    """

    method: str
    """The render method, as the desktop names it: `previewRender`, `liveRender`."""
    scene: str = ""
    """The scene's file; empty: it was not saved."""
    scene_id: str = ""
    """Identifies the scene while one desktop has it open, whatever its file is called."""
    frame: int | None = None
    """None: not known."""
    variables: dict[str, str] = {}
    """The scene's variables, with the values of this render."""
