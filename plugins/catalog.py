"""From a job to its item in Katana's Catalog: progress, picture, frame and variables of every renderer.

All functions: Qt's thread, and only for jobs of this session. Where there is no item they say so by None.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from Katana import CatalogAPI, Nodes2DAPI

from .job_names import graph_state_variables

__all__ = [
    "CatalogFacts",
    "facts_of",
    "has_item",
    "knows_renders",
    "note_variables",
    "progress_of",
    "remember",
    "rendered_jobs",
    "repeat",
    "show_in_catalog",
    "show_in_monitor",
    "stop_signal",
    "thumbnail_of",
    "variables_of",
]

_REPEAT_AGAIN_S = 10.0
"""A job that Katana starts again so soon after it was asked to repeat it is the repetition itself."""
_log = logging.getLogger("KatanaQueue")
_T = TypeVar("_T")


class CatalogFacts(NamedTuple):
    """What the Catalog knows of a job's render."""

    sequence_id: int
    progress: float | None
    """0 to 1; None while Katana does not know."""
    frame: str
    is_frame_pinned: bool
    pinned_variables: tuple[str, ...]


class _Render(NamedTuple):
    sequence_id: int
    sends_pixels: bool
    """Whether its command line names the port of Katana that its pixels go to."""


_renders: dict[str, _Render] = {}
_repeated_s: dict[str, float] = {}
_variables: dict[int, dict[str, str]] = {}
"""Of renders that were started with other values than the project has, by sequence ID."""


def remember(job_id: str, context: str, node: str, *, sends_pixels: bool = False) -> None:
    """Note which item a job belongs to: the name of its render context carries the sequence ID.

    Args:
        sends_pixels: whether its command line has `-host`: then a repetition of it needs a living Katana.
    """
    item = _item_of_context(context, node)
    sequence_id = _asked(item.getMainSequenceID) if item is not None else None
    if sequence_id is not None:
        _renders[job_id] = _Render(int(sequence_id), sends_pixels)


def rendered_jobs() -> tuple[str, ...]:
    """The jobs of this session that had an item when they were submitted."""
    return tuple(_renders)


def knows_renders() -> bool:
    """Whether any job of this session has an item."""
    return bool(_renders)


def has_item(job_id: str) -> bool:
    """Whether the job has an item that is still in the Catalog."""
    return _item(job_id) is not None


def facts_of(job_id: str) -> CatalogFacts | None:
    """All that the Catalog knows of a job, but for its picture."""
    item = _item(job_id)
    if item is None:
        return None
    variables = tuple(name for name in graph_state_variables() if _asked(item.isGSVPinned, name))
    return CatalogFacts(
        _renders[job_id].sequence_id,
        progress_of(job_id),
        str(_asked(item.getFrameRange) or ""),
        bool(_asked(item.isFramePinned)),
        variables,
    )


def progress_of(job_id: str) -> float | None:
    """How far the render is, 0 to 1, as Katana shows it: also of renderers that print nothing."""
    item = _item(job_id)
    answer = _asked(item.getRenderProgress) if item is not None else None
    try:
        done, total = answer  # type: ignore[misc]  # None, too, is refused here
        return min(max(done / total, 0.0), 1.0) if total else None
    except (TypeError, ValueError):
        return None  # another version of Katana may answer otherwise


def thumbnail_of(job_id: str) -> Any:
    """The small picture of the render, a QPixmap; None while there is none."""
    item = _item(job_id)
    pixmap = _asked(item.getThumbnailPixmap) if item is not None else None
    return pixmap if pixmap is not None and not pixmap.isNull() else None


def show_in_monitor(job_id: str) -> bool:
    """Show the job's picture in the front of the Monitor. Returns whether there is an item."""
    item = _item(job_id)
    if item is None:
        return False
    client: Any = CatalogAPI.Client  # the stubs name its functions without their types
    client.SetClientCatalogItem(client.GetPrimaryClientKey(), client.kPrimaryView, item)
    _raise_tab("Monitor")
    return True


def show_in_catalog(job_id: str) -> bool:
    """Bring the Catalog into sight, with the job's item selected and in the Monitor.

    Returns whether there is an item.
    """
    item = _item(job_id)
    if item is None or not show_in_monitor(job_id):
        return False
    tab: Any = _raise_tab("Catalog")
    if tab is not None:
        _asked(_select, tab, item)
    return True


def repeat(job_id: str) -> bool:
    """Have Katana render a job again whose old command line sends its pixels to Katana.

    Returns: whether it does. False: the job's own commands are to be run again.
    """
    render = _renders.get(job_id)
    if render is None or not render.sends_pixels or not has_item(job_id):
        return False
    now = time.monotonic()
    if now - _repeated_s.get(job_id, -_REPEAT_AGAIN_S) < _REPEAT_AGAIN_S:
        return False
    _repeated_s[job_id] = now
    try:
        Nodes2DAPI.RestartExternalRender(render.sequence_id)
    except Exception as error:  # noqa: BLE001  what Katana raises is not known, and the old way is left
        _log.warning("Katana Queue: Katana could not repeat render %d: %s", render.sequence_id, error)
        return False
    return True


def stop_signal(renderer: str) -> int:
    """The signal on which `renderer` ends and keeps what it has; 0: not known."""
    answer = _asked(Nodes2DAPI.GetRenderTerminationSignal, renderer) if renderer else None
    return int(answer) if isinstance(answer, int) and answer > 0 else 0


def variables_of(context: str, node: str) -> dict[str, str]:
    """The graph state variables that name a job, with their values.

    Those pinned to its item are left out: a repeated render keeps the item's values, and not the project's.
    """
    variables = graph_state_variables()
    item = _item_of_context(str(context or ""), node) if variables else None
    if item is None:
        return variables
    noted = _variables.get(_asked(item.getMainSequenceID) or 0)
    if noted is not None:
        return dict(noted)
    return {name: value for name, value in variables.items() if not _asked(item.isGSVPinned, name)}


def note_variables(sequence_id: int, variables: Mapping[str, str]) -> None:
    """A render was started with these values: the project may have others when its job comes to a farm."""
    _variables[sequence_id] = dict(variables)


def _item(job_id: str) -> Any:
    render = _renders.get(job_id)
    if render is None:
        return None
    return _asked(CatalogAPI.FindCatalogItemBySequenceID, render.sequence_id)


def _item_of_context(context: str, node: str) -> Any:
    """The item whose sequence ID is one of the numbers in a context's name, and whose node is `node`."""
    for number in reversed(re.findall(r"\d+", context)):
        if len(number) > 9:
            continue  # no sequence ID, and more than Katana's functions take
        item = _asked(CatalogAPI.FindCatalogItemBySequenceID, int(number))
        if item is not None and (not node or _asked(item.getNodeName) in (node, "", None)):
            return item
    return None


def _raise_tab(name: str) -> object:
    from Katana import UI4  # type: ignore[attr-defined]  # it is there in UI mode; the stubs leave it out

    tab = _asked(UI4.App.Tabs.FindTopTab, name, True)
    return _asked(UI4.App.Tabs.CreateTab, name, None) if tab is None else tab


def _select(tab: Any, item: Any) -> None:
    """Select the row of `item` in Katana's Catalog, a tree whose items know theirs.

    CatalogAPI has no function for it. Where the tab has no such tree, it selects nothing.
    """
    panel = tab if hasattr(tab, "getCatalogWidget") else tab.getWidget()
    tree = panel.getCatalogWidget()
    rows = [tree.topLevelItem(at) for at in range(tree.topLevelItemCount())]
    while rows:
        row = rows.pop()
        rows += [row.child(at) for at in range(row.childCount())]
        # The row of a slot, which has rows of its own, answers for the first of them.
        if not row.childCount() and row.getCatalogItem() == item:
            tree.clearSelection()
            tree.setCurrentItem(row)
            tree.scrollToItem(row)
            return


def _asked(question: Callable[..., _T], *arguments: object) -> _T | None:
    """The answer of Katana's API; None where it raises: an item may be deleted between two calls."""
    try:
        return question(*arguments)
    except Exception as error:  # noqa: BLE001  what each version of Katana raises is not known
        _log.debug("the Catalog did not answer: %s", error)
        return None
