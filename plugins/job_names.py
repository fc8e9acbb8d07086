"""Names jobs by their node, frames and graph state variables.

All functions: Qt's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from Katana import NodegraphAPI

from ..kq.api import stepped_ranges

__all__ = ["graph_state_variables", "job_name"]

_MAX_VALUE_LENGTH = 40
"""Longer values of variables are cut to this many characters."""
_MAX_FRAMES_LENGTH = 120
_MAX_LENGTH = 300
"""A longer list of frames, and a longer name, end with an ellipsis at this many characters: kq refuses more
than 1,000, and an artist cannot shorten this name."""


def job_name(node: str, frames: Sequence[int], variables: Mapping[str, str]) -> str:
    """Return a job's name for display, for example `Render, frame 12, shot=sh010`; at most 300 characters.

    Args:
        node: the name of the rendered node; an empty one is shown as `Render`.
        frames: the frame numbers, in any order; none are shown when it is empty.
        variables: the values of the graph state variables.
    """
    parts = [node or "Render"]
    if frames:
        listed = ",".join(map(_written, stepped_ranges(sorted(set(frames)))))
        parts.append(f"frame{'s' if len(set(frames)) > 1 else ''} {_cut(listed, _MAX_FRAMES_LENGTH)}")
    parts += [f"{name}={value[:_MAX_VALUE_LENGTH]}" for name, value in variables.items()]
    return _cut(", ".join(parts), _MAX_LENGTH)


def _written(frames: range) -> str:
    if len(frames) == 1 or (len(frames) == 2 and frames.step > 1):
        return ",".join(map(str, frames))
    return f"{frames[0]}-{frames[-1]}" + (f"x{frames.step}" if frames.step > 1 else "")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}\N{HORIZONTAL ELLIPSIS}"


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
