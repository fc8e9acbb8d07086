"""Starts renders through Katana, with a frame and graph state variables of their own.

Uses only Katana's public API. All functions: Qt's thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from Katana import CatalogAPI, FarmAPI, NodegraphAPI, RenderManager, Utils

from . import catalog

__all__ = ["LOCAL_MACHINE", "as_planned", "start_render", "variable_groups"]

LOCAL_MACHINE = "Local Machine"


def variable_groups() -> list[Any]:
    """Return the parameters of the project's graph state variables."""
    group = NodegraphAPI.GetRootNode().getParameter("variables")
    return list(group.getChildren()) if group is not None else []


@contextmanager
def as_planned(variables: Mapping[str, str], frame: int) -> Iterator[None]:
    """Set the project's variables and current frame for the body, then restore them. Adds no undo step."""
    before = [(parameter, parameter.getValue(0.0)) for parameter, _value in _values(variables)]
    time = NodegraphAPI.GetCurrentTime()
    with _without_undo():
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


@contextmanager
def _without_undo() -> Iterator[None]:
    """Keep changes of the body out of Katana's undo history, and let it go on after any error."""
    undo: Any = Utils.UndoStack  # the stubs do not type its functions
    undo.DisableCapture()
    try:
        yield
    finally:
        undo.EnableCapture()


def start_render(node: str, frame: int, variables: Mapping[str, str], method: str, farm: str) -> None:
    """Start one render and return at once. Its frame and variables are pinned to its Catalog item.

    Args:
        node: the name of the node.
        frame: the frame to render.
        variables: values of graph state variables of the project.
        method: one of RenderManager.RenderModes.
        farm: the name of a farm plug-in, or LOCAL_MACHINE.

    Raises:
        ValueError: the project has the node or a variable no longer.
        Exception: any error of Katana.
    """
    found = NodegraphAPI.GetNode(node)
    if found is None:
        raise ValueError(f"there is no node {node} any more")
    with as_planned(variables, frame):
        if farm == LOCAL_MACHINE:
            started = RenderManager.StartRender(method, node=found)
        else:
            with _default_farm(farm):
                started = RenderManager.StartRender(method, node=found, remoteRender=True)
    find: Any = CatalogAPI.FindCatalogItemBySequenceID  # the stubs do not type it
    for each in _sequence_ids(started):
        catalog.note_variables(each, variables)
        item = find(each)
        if item is not None:
            item.setFramePinned(True)
            for name in variables:
                item.setGSVPinned(name, True)


def _values(variables: Mapping[str, str]) -> list[tuple[Any, str]]:
    """Return each variable's parameter with its new value. Raises ValueError for an unknown variable."""
    groups = {str(group.getName()): group for group in variable_groups()}
    missing = next((name for name in variables if name not in groups), None)
    if missing is not None:
        raise ValueError(f"the project has no variable {missing} any more")
    return [(groups[name].getChild("value"), value) for name, value in variables.items()]


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
