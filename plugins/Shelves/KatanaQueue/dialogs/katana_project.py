"""Reads nodes, variables, frames and farms from Katana for *Start Multiple Renders*.

Uses only Katana's public API. All functions: Qt's thread.
"""

from __future__ import annotations

from typing import NamedTuple

from Katana import FarmAPI, NodegraphAPI, RenderManager

from ....start_render import LOCAL_MACHINE, as_planned, variable_groups
from .render_plan import PlannedRender

__all__ = [
    "ProjectVariable",
    "current_frame",
    "output_of",
    "project_variables",
    "render_nodes",
    "send_to_choices",
    "working_range",
]


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
    for group in variable_groups():
        enable, value, options = (group.getChild(name) for name in ("enable", "value", "options"))
        if value is None or (enable is not None and not enable.getValue(0.0)):
            continue
        now = str(value.getValue(0.0))
        listed = [str(each.getValue(0.0)) for each in options.getChildren()] if options is not None else []
        options_of = tuple(dict.fromkeys(listed if now in listed else [*listed, now]))
        found.append(ProjectVariable(str(group.getName()), now, options_of))
    return found


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
    with as_planned(planned.variables, planned.frame):
        return str(parameter.getValue(float(planned.frame)) or "")
