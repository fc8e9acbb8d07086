"""Giving an object of mitsuba other values in place: what it is a part of need not be built again."""

from __future__ import annotations

from typing import Any

from .engine import mi

_VALUES = (".value", "sampling_weight", "scale")
"""How the names of parameters end that can be set at any time; others decide how an object is built."""
_IMAGES = ".data"


def take_values(old: Any, new: Any) -> bool:
    """Give `old` the values of `new`, an object of the same kind with the same images.

    Returns: whether it is now as `new` is. False: more than values differ, and nothing was changed.
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
        if _text(before) == _text(after):
            continue
        # Whether a layer of a surface is there at all is decided when it is built, by whether it is zero.
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


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
