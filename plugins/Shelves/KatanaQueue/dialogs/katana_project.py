"""Reads nodes, variables, frames and farms from Katana for *Start Multiple Renders*, and starts a render.

Uses only Katana's public API. All functions: Qt's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from Katana import CatalogAPI, FarmAPI, NodegraphAPI, RenderManager, Utils

from .... import catalog
from .render_plan import PlannedRender

__all__ = [
    "LOCAL_MACHINE",
    "ProjectVariable",
    "current_frame",
    "output_of",
    "project_variables",
    "render_nodes",
    "send_to_choices",
    "start_render",
    "working_range",
]

LOCAL_MACHINE = "Local Machine"
_log = logging.getLogger("KatanaQueue")


class ProjectVariable(NamedTuple):
    """An enabled graph state variable of the project."""

    name: str
    value: str
    options: tuple[str, ...]
    """Its possible values, with the current one; only that one if the project lists none."""


def render_nodes() -> list[str]:
    """Return the names of the project's Render nodes."""
    return [str(node.getName()) for node in NodegraphAPI.GetAllNodesByType("Render")]


def project_variables() -> list[ProjectVariable]:
    """Return the project's enabled graph state variables."""
    found = []
    for group in _groups():
        enable, value, options = (group.getChild(name) for name in ("enable", "value", "options"))
        if value is None or (enable is not None and not enable.getValue(0.0)):
            continue
        now = str(value.getValue(0.0))
        listed = [str(each.getValue(0.0)) for each in options.getChildren()] if options is not None else []
        options_of = tuple(dict.fromkeys(listed if now in listed else [*listed, now]))
        found.append(ProjectVariable(str(group.getName()), now, options_of))
    return found


def _groups() -> list[Any]:
    group = NodegraphAPI.GetRootNode().getParameter("variables")
    return list(group.getChildren()) if group is not None else []


def current_frame() -> int:
    """Return the current frame, rounded."""
    return round(NodegraphAPI.GetCurrentTime())


def working_range() -> tuple[int, int]:
    """Return the first and last frame of the working range."""
    return round(NodegraphAPI.GetWorkingInTime()), round(NodegraphAPI.GetWorkingOutTime())


def send_to_choices() -> list[str]:
    """Return where renders can be sent: the names of farms, and LOCAL_MACHINE in Katana."""
    farms = [str(name) for name in FarmAPI.FarmPluginManager.GetFarmPluginNames()]
    # The stand-in desktop cannot render by itself, and does not have this function.
    return [*farms, LOCAL_MACHINE] if hasattr(RenderManager, "StartRenderLegacy") else farms


@contextmanager
def _as_planned(variables: Mapping[str, str], frame: int) -> Iterator[None]:
    """Set the project's variables and current frame for the body, then restore them. Adds no undo step."""
    undo: Any = getattr(Utils, "UndoStack", None)
    before = [(parameter, parameter.getValue(0.0)) for parameter, _value in _values(variables)]
    time = NodegraphAPI.GetCurrentTime()
    if undo is not None:
        undo.DisableCapture()
    try:
        for parameter, value in _values(variables):
            if parameter.getValue(0.0) != value:
                parameter.setValue(value, 0.0)
        if time != frame:
            NodegraphAPI.SetCurrentTime(float(frame))
        yield
    finally:
        for parameter, value in before:
            if parameter.getValue(0.0) != value:
                parameter.setValue(value, 0.0)
        if NodegraphAPI.GetCurrentTime() != time:
            NodegraphAPI.SetCurrentTime(time)
        if undo is not None:
            undo.EnableCapture()


def _values(variables: Mapping[str, str]) -> list[tuple[Any, str]]:
    """Return each variable's parameter with its new value. Raises ValueError for an unknown variable."""
    groups = {str(group.getName()): group for group in _groups()}
    missing = next((name for name in variables if name not in groups), None)
    if missing is not None:
        raise ValueError(f"the project has no variable {missing} any more")
    return [(groups[name].getChild("value"), value) for name, value in variables.items()]


def output_of(planned: PlannedRender) -> str:
    """Return the path that a disk render writes to, or an empty string if its node has no `output`.

    Raises:
        ValueError: the project has a variable of the plan no longer.
        Exception: any error of Katana.
    """
    node = NodegraphAPI.GetNode(planned.node)
    parameter = node.getParameter("output") if node is not None else None
    if parameter is None:
        return ""
    with _as_planned(planned.variables, planned.frame):
        return str(parameter.getValue(float(planned.frame)) or "")


def start_render(planned: PlannedRender, method: str, farm: str) -> None:
    """Start one render and return at once. Its frame and variables are pinned to its Catalog item.

    Args:
        planned: the node, variables and frame.
        method: one of RenderManager.RenderModes.
        farm: one of `send_to_choices`.

    Raises:
        ValueError: the project has the node or a variable no longer.
        Exception: any error of Katana.
    """
    node = NodegraphAPI.GetNode(planned.node)
    if node is None:
        raise ValueError(f"there is no node {planned.node} any more")
    with _as_planned(planned.variables, planned.frame):
        if farm == LOCAL_MACHINE:
            started = RenderManager.StartRender(method, node=node)
        else:
            with _default_farm(farm):
                started = RenderManager.StartRender(method, node=node, remoteRender=True)
    find: Any = CatalogAPI.FindCatalogItemBySequenceID  # the stubs do not type it
    for each in _sequence_ids(started):
        catalog.note_variables(each, planned.variables)
        item = find(each)
        if item is not None:
            item.setFramePinned(True)
            for name in planned.variables:
                item.setGSVPinned(name, True)


@contextmanager
def _default_farm(farm: str) -> Iterator[None]:
    """Make `farm` the default farm for the body: RenderManager.StartRender has no argument for the farm."""
    manager = FarmAPI.FarmPluginManager
    before = manager.GetDefaultFarm()
    manager.SetDefaultFarm(farm)
    try:
        yield
    finally:
        manager.SetDefaultFarm(before)


def _sequence_ids(started: Any) -> Sequence[int]:
    """Return the sequence IDs in the result of StartRender, whose other content differs between versions."""
    return [
        each["sequenceID"]
        for each in started or ()
        if isinstance(each, dict) and isinstance(each.get("sequenceID"), int)
    ]
