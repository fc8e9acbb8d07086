"""Updates values of mitsuba objects in place, so that their parents need not be rebuilt."""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import mi

_VALUES = (".value", "sampling_weight", "scale")
"""Endings of parameter names that can be set at any time; others determine an object's structure."""
_IMAGES = ".data"


def take_values(old: Any, new: Any) -> bool:
    """Copy the values of `new` to `old`, an object of the same kind with the same images.

    Returns: whether `old` now equals `new`. False: more than values differ; `old` is unchanged.
    """
    ours, theirs = mi.traverse(old), mi.traverse(new)
    if list(ours.keys()) != list(theirs.keys()):
        return False
    changed = {}
    for name in ours.keys():  # noqa: SIM118  it is no dictionary
        if name.endswith(_IMAGES):
            continue
        before, after = ours[name], theirs[name]
        if type(before) is not type(after):
            return False
        if np.array_equal(_numbers(before), _numbers(after)):
            continue
        # A value of zero at construction omits a layer of the surface, which cannot be added later.
        is_number = isinstance(before, float)
        if not name.endswith(_VALUES) or (is_number and 0.0 in (before, after)):
            return False
        changed[name] = after
    set_values(ours, changed)
    return True


def set_values(parameters: Any, values: dict[str, Any]) -> None:
    """Set parameters of an object that `mi.traverse` was called on."""
    for name, value in values.items():
        parameters[name] = value
    parameters.update()


def _numbers(value: Any) -> Any:
    # As text, the middle of an array and the seventh digit would be left out.
    return np.array(value.matrix if isinstance(value, mi.ScalarTransform4f) else value)
