"""Helpers for all stage readers: matrices, colours, attribute values at the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Gf, Usd

from ..scene import Colour, Matrix


def matrix_of(value: Gf.Matrix4d) -> Matrix:
    """USD's row-vector matrix as one for column vectors."""
    return np.array(value, np.float64).T


def colour_of(value: Any) -> Colour:
    """A colour as three floats."""
    return (float(value[0]), float(value[1]), float(value[2]))


def get(attribute: Usd.Attribute, time: Usd.TimeCode, default: Any) -> Any:
    """Return the attribute's value at the frame; `default` when it is blocked or has none."""
    value = attribute.Get(time) if attribute else None
    return default if value is None else value
