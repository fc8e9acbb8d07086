"""Merge: combines scenes. The first input has the strongest opinions."""

from __future__ import annotations

from ..node_type import CookContext, NodeType
from ..stage_metadata import axis_and_units


def _cook(context: CookContext) -> None:
    first, *others = context.inputs
    axis, units = axis_and_units(first)
    for other in others:
        other_axis, other_units = axis_and_units(other)
        # A layer that holds only what nodes made has no units, and takes those of the first.
        if not other.pseudoRoot.HasInfo("metersPerUnit") and not other.pseudoRoot.HasInfo("upAxis"):
            continue
        if other_axis != axis:
            context.warn(
                f"its inputs disagree on which axis is up ({axis} and {other_axis}); {axis} is taken."
            )
        elif abs(other_units - units) > 1e-9:
            context.warn(
                f"its inputs disagree on metres per unit ({units:g} and {other_units:g}); {units:g} is taken."
            )


MERGE = NodeType(
    name="Merge",
    description="Brings scenes together; the first input wins.",
    category="Edit",
    color=(88, 88, 88),
    inputs=(),
    any_inputs=True,
    parameters=(),
    cook=_cook,
)
