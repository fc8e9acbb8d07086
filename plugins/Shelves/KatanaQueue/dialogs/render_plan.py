"""The renders to start: each chosen node, with each combination of variables, at each frame. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from .....kq.api import BadInput, parse_frames

__all__ = ["ASK_FROM", "MAX_RENDERS", "PlannedRender", "RenderPlan", "plan_problem"]

ASK_FROM = 101
"""From this number of renders on, the dialog asks before it starts them."""
MAX_RENDERS = 10_000
"""A larger number is refused as a mistake."""


class PlannedRender(NamedTuple):
    """One render to start."""

    node: str
    variables: Mapping[str, str]
    frame: int

    @property
    def name(self) -> str:
        """A name for display, for example `Render, frame 7, shot=sh010`."""
        return ", ".join(
            [self.node, f"frame {self.frame}", *(f"{name}={value}" for name, value in self.variables.items())]
        )


class RenderPlan(NamedTuple):
    """The chosen nodes, the chosen values of each graph state variable, and the frames.

    `plan_problem` checks that it is valid.
    """

    nodes: Sequence[str]
    variables: Mapping[str, Sequence[str]]
    frames: Sequence[range]

    @classmethod
    def of(cls, nodes: Sequence[str], variables: Mapping[str, Sequence[str]], frames: str) -> RenderPlan:
        """Return a plan with the frames in the text `frames`, for example `1-10, 20`. Raises BadInput."""
        if not frames.strip():
            raise BadInput("type the frames to render, for example 1-10, 20, 30-45x2")
        return cls(nodes, variables, parse_frames(frames))

    @property
    def factors(self) -> list[tuple[int, str]]:
        """The factors whose product is `total`, each with its name: nodes, values per variable, frames."""
        frames = sum(map(len, self.frames))
        return [
            (len(self.nodes), "node" if len(self.nodes) == 1 else "nodes"),
            *((len(values), name) for name, values in self.variables.items()),
            (frames, "frame" if frames == 1 else "frames"),
        ]

    @property
    def total(self) -> int:
        """The number of renders."""
        return prod(count for count, _name in self.factors)

    def renders(self) -> Iterator[PlannedRender]:
        """Yield all renders, grouped by the values of their variables."""
        names = tuple(self.variables)
        for values in product(*self.variables.values()):
            variables = dict(zip(names, values, strict=True))
            for node in self.nodes:
                for frames in self.frames:
                    for frame in frames:
                        yield PlannedRender(node, variables, frame)


def plan_problem(plan: RenderPlan) -> str:
    """Return an error message when the plan cannot be started; empty when it can."""
    if not plan.nodes:
        return "Tick a Render node."
    empty = next((name for name, values in plan.variables.items() if not values), "")
    if empty:
        return f"Tick a value of {empty}, or untick {empty} in Global GSVs."
    if plan.total > MAX_RENDERS:
        return f"{plan.total:,} renders exceed the limit of {MAX_RENDERS:,}: start them in several parts."
    return ""
