"""Axis, units and time of a stage: metadata of the root layer alone, which no sublayer passes on.

So each cooked node's own layer takes it from its first input.
"""

from __future__ import annotations

from typing import Any

_KEYS = (
    "upAxis",
    "metersPerUnit",
    "kilogramsPerUnit",
    "timeCodesPerSecond",
    "framesPerSecond",
    "startTimeCode",
    "endTimeCode",
    "renderSettingsPrimPath",
)


def copy_metadata(source: Any, target: Any) -> None:
    """Copy axis, units and time from the layer `source` to the layer `target`, where `source` has them."""
    for key in _KEYS:
        if source.pseudoRoot.HasInfo(key):
            target.pseudoRoot.SetInfo(key, source.pseudoRoot.GetInfo(key))


def axis_and_units(layer: Any) -> tuple[str, float]:
    """Return the up axis and metres per unit that `layer` declares, or USD's own where it declares none."""
    root = layer.pseudoRoot
    axis = root.GetInfo("upAxis") if root.HasInfo("upAxis") else "Y"
    units = root.GetInfo("metersPerUnit") if root.HasInfo("metersPerUnit") else 0.01
    return str(axis), float(units)
