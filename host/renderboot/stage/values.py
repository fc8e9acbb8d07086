"""Helpers for all stage readers: matrices, colours, attribute values at the frame."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from pxr import Gf, Sdf, Usd, Vt

from ..scene import Colour, Matrix


def matrix_of(value: Gf.Matrix4d) -> Matrix:
    """USD's row-vector matrix as one for column vectors."""
    return np.array(value, np.float64).T


def colour_of(value: Any) -> Colour:
    """A colour as three floats."""
    return (float(value[0]), float(value[1]), float(value[2]))


_NUMBERS = (bool, int, float)
ARRAYS = tuple(kind for name, kind in vars(Vt).items() if name.endswith("Array") and isinstance(kind, type))
"""The types of array values."""


class WrongTypeError(ValueError):
    """A file gives an attribute another type than its schema does; the text names both."""


def get(attribute: Usd.Attribute, time: Usd.TimeCode, default: Any) -> Any:
    """Return the attribute's value at the frame; `default` when it is blocked or has none.

    Raises:
        WrongTypeError: The value is not of the schema's type, and cannot be used as one.
    """
    value = attribute.Get(time) if attribute else None
    if value is None:
        return default
    expected = attribute.GetTypeName()
    model = _model(str(expected))
    if model is not None and type(value) is not type(model) and not _is_alike(value, model):
        raise WrongTypeError(f"'{attribute.GetName()}' is not of type {expected}, as USD's schema asks")
    return value


@cache
def _model(type_name: str) -> Any:
    """Return a value of the type; None for types without one."""
    return Sdf.ValueTypeNames.Find(type_name).defaultValue


def _is_alike(value: Any, model: Any) -> bool:
    """Whether both are numbers in the same arrangement, as floats where doubles are asked for."""
    is_array = isinstance(model, ARRAYS)
    if not is_array and isinstance(model, _NUMBERS):
        return isinstance(value, _NUMBERS) and (isinstance(model, float) or isinstance(value, int))
    try:
        found, asked = np.asarray(value, np.float64), np.asarray(model, np.float64)
    except (TypeError, ValueError):
        return False
    if isinstance(value, str) or found.ndim != asked.ndim or is_array != isinstance(value, ARRAYS):
        return False
    is_whole = np.asarray(model).dtype.kind in "iu"
    return found.shape[is_array:] == asked.shape[is_array:] and (
        not is_whole or np.asarray(value).dtype.kind in "iu"
    )
