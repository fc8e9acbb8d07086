"""Finds a job's item in Katana's Catalog, and reads its progress, picture, frames, pins and render log.

All functions: Qt's thread, and only for jobs submitted in this session.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from Katana import CatalogAPI, Nodes2DAPI
from PySide6.QtCore import Qt

from ..kq.api import KqError, parse_frames
from .job_names import graph_state_variables

__all__ = [
    "frames_of",
    "has_item",
    "knows_renders",
    "note_variables",
    "progress_of",
    "remember",
    "render_log_of",
    "rendered_jobs",
    "show_in_catalog",
    "show_in_monitor",
    "stop_signal",
    "thumbnail_of",
    "variables_of",
]

_log = logging.getLogger("KatanaQueue")
_T = TypeVar("_T")


_renders: dict[str, int] = {}
"""Sequence IDs of the renders of this session's jobs, by job id."""
_variables: dict[int, dict[str, str]] = {}
"""Values of graph state variables that `note_variables` recorded, by sequence ID of the render."""


def remember(job_id: str, context: str, node: str) -> None:
    """Record the Catalog item of a job, found by the sequence ID in the name of its render context.

    Args:
        job_id: the job.
        context: the name of its render context.
        node: the name of its node; empty: any.
    """
    item = _item_of_context(context, node)
    sequence_id = _asked(item.getMainSequenceID) if item is not None else None
    if sequence_id is not None:
        _renders[job_id] = int(sequence_id)


def rendered_jobs() -> tuple[str, ...]:
    """Return the ids of this session's jobs that had a Catalog item when they were submitted."""
    return tuple(_renders)


def knows_renders() -> bool:
    """Whether `rendered_jobs` has any."""
    return bool(_renders)


def has_item(job_id: str) -> bool:
    """Whether the job has an item that is still in the Catalog."""
    return _item(job_id) is not None


def frames_of(context: str, node: str) -> list[int]:
    """Return the frames of the Catalog item of a render; empty when it has none, or no item.

    Args:
        context: the name of its render context.
        node: the name of its node.
    """
    item = _item_of_context(context, node)
    text = str(_asked(item.getFrameRange) or "") if item is not None else ""
    try:
        return [frame for frames in parse_frames(text) for frame in frames] if text else []
    except KqError:
        return []  # another version of Katana may format it differently


def render_log_of(job_id: str) -> str:
    """Return the text that Katana has in its log of the job's render; empty when there is no item."""
    item = _item(job_id)
    return str(_asked(item.getRenderLog) or "") if item is not None else ""


def progress_of(job_id: str) -> float | None:
    """Return the progress that Katana shows, 0 to 1, or None while unknown.

    It is available even for renderers that print no progress.
    """
    item = _item(job_id)
    answer = _asked(item.getRenderProgress) if item is not None else None
    try:
        done, total = answer  # type: ignore[misc]  # None raises a TypeError, too
        return min(max(done / total, 0.0), 1.0) if total else None
    except (TypeError, ValueError):
        return None  # another version of Katana may return another type


def thumbnail_of(job_id: str) -> Any:
    """Return the thumbnail of the render, a QPixmap; None while there is none."""
    item = _item(job_id)
    pixmap = _asked(item.getThumbnailPixmap) if item is not None else None
    return pixmap if pixmap is not None and not pixmap.isNull() else None


def show_in_monitor(job_id: str) -> bool:
    """Show the job's picture as the primary image of the Monitor. Returns False when there is no item."""
    item = _item(job_id)
    if item is None:
        return False
    client: Any = CatalogAPI.Client  # the stubs do not type its functions
    client.SetClientCatalogItem(client.GetPrimaryClientKey(), client.kPrimaryView, item)
    _raise_tab("Monitor")
    return True


def show_in_catalog(job_id: str) -> bool:
    """Raise the Catalog tab with the job's item selected, and show it in the Monitor.

    Returns: False when there is no item.
    """
    item = _item(job_id)
    if item is None or not show_in_monitor(job_id):
        return False
    tab: Any = _raise_tab("Catalog")
    if tab is not None:
        _asked(_select, tab, item)
    return True


def stop_signal(renderer: str) -> int:
    """Return the number of the signal at which `renderer` saves its result and exits; 0 when unknown."""
    answer = _asked(Nodes2DAPI.GetRenderTerminationSignal, renderer) if renderer else None
    return int(answer) if isinstance(answer, int) and answer in signal.valid_signals() else 0


def variables_of(context: str, node: str) -> dict[str, str]:
    """Return the graph state variables to show in a job's name, with their values.

    Those pinned to its Catalog item have the item's values, with which it is rendered again; they are left
    out where Katana does not give them.

    Args:
        context: the name of the job's render context.
        node: the name of its node.
    """
    variables = graph_state_variables()
    item = _item_of_context(str(context or ""), node) if variables else None
    if item is None:
        return variables
    noted = _variables.get(_asked(item.getMainSequenceID) or 0)
    if noted is not None:
        return dict(noted)
    pinned = {name for name in variables if _asked(item.isGSVPinned, name)}
    values = (_asked(_variables_of_item, item) or {}) if pinned else {}
    return {
        name: values[name] if name in pinned else value
        for name, value in variables.items()
        if name not in pinned or name in values
    }


def _variables_of_item(item: Any) -> dict[str, str]:
    """Return the graph state variables with which `item` was rendered.

    CatalogAPI has no public function for this. In a version of Katana without this class it raises
    AttributeError.
    """
    client: Any = CatalogAPI.Client
    return {str(each.name): str(each.value) for each in client._CatalogItemProjectSettings(item).gsvs}


def note_variables(sequence_id: int, variables: Mapping[str, str]) -> None:
    """Record the values of graph state variables with which a render was started.

    The project's values may have changed by the time the render's job is submitted.
    """
    _variables[sequence_id] = dict(variables)


def _item(job_id: str) -> Any:
    sequence_id = _renders.get(job_id)
    if sequence_id is None:
        return None
    return _asked(CatalogAPI.FindCatalogItemBySequenceID, sequence_id)


def _item_of_context(context: str, node: str) -> Any:
    """Return the item whose sequence ID is a number in `context` and whose node is `node`, or None."""
    for number in reversed(re.findall(r"\d+", context)):
        if len(number) > 9:
            continue  # too large for Katana's functions, so it is no sequence ID
        item = _asked(CatalogAPI.FindCatalogItemBySequenceID, int(number))
        if item is not None and (not node or _asked(item.getNodeName) in (node, "", None)):
            return item
    return None


def _raise_tab(name: str) -> object:
    from Katana import UI4  # type: ignore[attr-defined]  # it is there in UI mode; the stubs leave it out

    tab: Any = _asked(UI4.App.Tabs.FindTopTab, name, True)
    if tab is None:
        tab = _asked(UI4.App.Tabs.CreateTab, name, UI4.App.MainWindow.GetMainWindow())
        if tab is not None:
            # Katana neither shows a new tab nor gives it a place: it becomes a window above the main one.
            tab.setWindowFlag(Qt.WindowType.Window)
            tab.show()
    return tab


def _select(tab: Any, item: Any) -> None:
    """Select the row of `item` in the tree widget of Katana's Catalog tab.

    CatalogAPI has no function for this. In a version of Katana without that tree it raises AttributeError.
    """
    panel = tab if hasattr(tab, "getCatalogWidget") else tab.getWidget()
    tree = panel.getCatalogWidget()
    rows = [tree.topLevelItem(at) for at in range(tree.topLevelItemCount())]
    while rows:
        row = rows.pop()
        rows += [row.child(at) for at in range(row.childCount())]
        # A slot's row returns the item of its first child row, so only rows without children are compared.
        if not row.childCount() and row.getCatalogItem() == item:
            tree.clearSelection()
            tree.setCurrentItem(row)
            tree.scrollToItem(row)
            return


def _asked(question: Callable[..., _T], *arguments: object) -> _T | None:
    """Call a function of Katana's API; None when it raises: an item may be deleted between two calls."""
    try:
        return question(*arguments)
    except Exception as error:  # noqa: BLE001  Katana's errors are undocumented and differ between versions
        _log.debug("the Catalog did not answer: %s", error)
        return None
