"""What a job is called: its node, its frames, and the graph state variables that it was rendered with.

All functions: Qt's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from Katana import NodegraphAPI

from ..kq.api import format_frames

__all__ = ["graph_state_variables", "job_name"]

_MAX_VALUE = 40


def job_name(node: str, frames: Sequence[int], variables: Mapping[str, str]) -> str:
    """For example `Render, frame 12, shot=sh010`. A name that is empty is `Render`."""
    parts = [node or "Render"]
    if frames:
        listed = format_frames(sorted(set(frames)))
        parts.append(f"frame{'s' if len(set(frames)) > 1 else ''} {listed}")
    parts += [f"{name}={value[:_MAX_VALUE]}" for name, value in variables.items()]
    return ", ".join(parts)


def graph_state_variables() -> dict[str, str]:
    """The project's graph state variables that are enabled, with their values."""
    try:
        group = NodegraphAPI.GetRootNode().getParameter("variables")
        found = {}
        for variable in group.getChildren() if group is not None else ():
            enable, value = variable.getChild("enable"), variable.getChild("value")
            if value is not None and (enable is None or enable.getValue(0.0)):
                found[str(variable.getName())] = str(value.getValue(0.0))
    except Exception:  # noqa: BLE001  a name is not worth a render: a project may have no such parameters
        return {}
    return found
