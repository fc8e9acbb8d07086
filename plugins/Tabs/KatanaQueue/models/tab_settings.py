"""Reads the tab's settings that Katana saved with a layout, by this version or an older one. Pure; no Qt."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KEY", "VERSION", "TabSettings", "read"]

KEY = "katanaQueue"
VERSION = 2
"""Increased when the meaning of a setting changes. Version 1 has no number."""

_log = logging.getLogger("KatanaQueue")


@dataclass(frozen=True)
class TabSettings:
    """Validated settings."""

    columns: dict[str, Any] = field(default_factory=dict)
    splitter: list[int] = field(default_factory=list)
    """The heights of the list and of the page below it, in pixels; empty: not saved."""
    details: str = ""
    """The name of the page below the list; empty: not saved."""
    notify: bool = True
    wrap: bool = False
    fold: bool = True


def read(settings: dict[str, Any]) -> TabSettings | None:
    """Return the tab's part of a layout's settings; None when it is missing, damaged or of a newer version.

    An invalid setting gets its default value.
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
        # Version 1 did not save `fitted` for columns that the artist had arranged.
        return {**columns, "fitted": False}
    return columns
