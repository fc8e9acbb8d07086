"""What Katana saves of the tab with a layout, by this version or an older one. Pure; no Qt."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KEY", "VERSION", "TabSettings", "read"]

KEY = "katanaQueue"
VERSION = 2
"""It changes when a meaning does. Version 1, which has no number, did not name an arrangement by hand."""

_log = logging.getLogger("KatanaQueue")


@dataclass(frozen=True)
class TabSettings:
    """Settings that can be used as they are."""

    columns: dict[str, Any] = field(default_factory=dict)
    splitter: list[int] = field(default_factory=list)
    """The heights of list and details; empty: not known."""
    details: str = ""
    """The page below the list; empty: not known."""
    notify: bool = True
    wrap: bool = False
    fold: bool = True


def read(settings: dict[str, Any]) -> TabSettings | None:
    """The tab's settings in those of a layout; None when there are none, or none that this version knows.

    What cannot be used is left out: the tab keeps its own.
    """
    own = settings.get(KEY)
    if own is None:
        return None
    if not isinstance(own, dict):
        _log.warning("The saved settings of the Katana Queue tab are damaged, and are not used.")
        return None
    version = own.get("version", 1)
    if not isinstance(version, int) or version > VERSION:
        _log.warning(
            "The saved settings of the Katana Queue tab are of a newer version (%s; this one knows %s), "
            "and are not used.",
            version,
            VERSION,
        )
        return None
    sizes = own.get("splitter")
    is_usable = (
        isinstance(sizes, list | tuple)
        and len(sizes) == 2
        and all(isinstance(size, int) and size > 0 for size in sizes)
    )
    columns, details = own.get("columns"), own.get("details")
    return TabSettings(
        columns=_migrated(columns, version) if isinstance(columns, dict) else {},
        splitter=list(sizes) if is_usable and sizes is not None else [],
        details=details if isinstance(details, str) else "",
        notify=own.get("notify") is not False,
        wrap=own.get("wrap") is True,
        fold=own.get("fold") is not False,
    )


def _migrated(columns: dict[str, Any], version: int) -> dict[str, Any]:
    if version < 2 and columns.get("fitted") is not True and columns.keys() & {"hidden", "widths"}:
        # Version 1 did not name an arrangement by hand.
        return {**columns, "fitted": False}
    return columns
