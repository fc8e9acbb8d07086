"""Names jobs by their node, frames and graph state variables.

All functions: Qt's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from Katana import NodegraphAPI

from ..kq.api import format_frames

__all__ = ["graph_state_variables", "job_name"]

_MAX_VALUE_LENGTH = 40
"""Longer values of variables are cut to this many characters."""


def job_name(node: str, frames: Sequence[int], variables: Mapping[str, str]) -> str:
    """Return a job's name for display, for example `Render, frame 12, shot=sh010`.

    Args:
        node: the name of the rendered node; an empty one is shown as `Render`.
        frames: the frame numbers, in any order; none are shown when it is empty.
        variables: the values of the graph state variables.
    """
    parts = [node or "Render"]
    if frames:
        listed = format_frames(sorted(set(frames)))
        parts.append(f"frame{'s' if len(set(frames)) > 1 else ''} {listed}")
    parts += [f"{name}={value[:_MAX_VALUE_LENGTH]}" for name, value in variables.items()]
    return ", ".join(parts)


def graph_state_variables() -> dict[str, str]:
    """Return the values of the project's enabled graph state variables; empty when they cannot be read."""
    try:
        group = NodegraphAPI.GetRootNode().getParameter("variables")
        found = {}
        for variable in group.getChildren() if group is not None else ():
            enable, value = variable.getChild("enable"), variable.getChild("value")
            if value is not None and (enable is None or enable.getValue(0.0)):
                found[str(variable.getName())] = str(value.getValue(0.0))
    except Exception:  # noqa: BLE001  a job's name must not stop its render: a project may lack these parameters
        return {}
    return found
