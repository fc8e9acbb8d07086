"""The renders to start: each chosen node, with each combination of variables, at each frame. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from .....kq.api import BadInput, parse_frames

__all__ = ["ASK_FROM", "MAX_RENDERS", "PlannedRender", "RenderPlan", "plan_problem"]

ASK_FROM = 101
"""So many renders are not started by a slip of the hand."""
MAX_RENDERS = 10_000
"""More are taken for a mistake."""


class PlannedRender(NamedTuple):
    """One render to be started."""

    node: str
    variables: Mapping[str, str]
    frame: int

    @property
    def name(self) -> str:
        """For people: `Render, frame 7, shot=sh010`."""
        return ", ".join(
            [self.node, f"frame {self.frame}", *(f"{name}={value}" for name, value in self.variables.items())]
        )


class RenderPlan(NamedTuple):
    """What was chosen. `variables`: each with its chosen values, at least one."""

    nodes: Sequence[str]
    variables: Mapping[str, Sequence[str]]
    frames: Sequence[range]

    @classmethod
    def of(cls, nodes: Sequence[str], variables: Mapping[str, Sequence[str]], frames: str) -> RenderPlan:
        """The plan with the frames that `frames` names. Raises BadInput."""
        if not frames.strip():
            raise BadInput("type the frames to render, for example 1-10, 20, 30-45x2")
        return cls(nodes, variables, parse_frames(frames))

    @property
    def factors(self) -> list[tuple[int, str]]:
        """What the count is the product of, each with its name."""
        frames = sum(map(len, self.frames))
        return [
            (len(self.nodes), "node" if len(self.nodes) == 1 else "nodes"),
            *((len(values), name) for name, values in self.variables.items()),
            (frames, "frame" if frames == 1 else "frames"),
        ]

    @property
    def total(self) -> int:
        """How many renders these are."""
        return prod(count for count, _name in self.factors)

    def renders(self) -> Iterator[PlannedRender]:
        """Each of them; those with the same variables follow one another."""
        names = tuple(self.variables)
        for values in product(*self.variables.values()):
            variables = dict(zip(names, values, strict=True))
            for node in self.nodes:
                for frames in self.frames:
                    for frame in frames:
                        yield PlannedRender(node, variables, frame)


def plan_problem(plan: RenderPlan) -> str:
    """Why the plan cannot be started; empty when it can."""
    if not plan.nodes:
        return "Tick a Render node."
    empty = next((name for name, values in plan.variables.items() if not values), "")
    if empty:
        return f"Tick a value of {empty}, or untick {empty} in Global GSVs."
    if plan.total > MAX_RENDERS:
        return f"{plan.total:,} renders are more than {MAX_RENDERS:,}: start them in several parts."
    return ""
