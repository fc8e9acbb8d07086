"""mitsuba itself, imported once with its variant set: other modules use `from ...engine import mi`.

Always `scalar_rgb`: the LLVM variants abort if the system's LLVM is unsuitable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...scene import Matrix
from ..quiet import without_noise

DRJIT_NOISE = (b"jitc_llvm_init(): LLVM API initialization failed",)
"""Printed when LLVM is not installed. It is not used here, and artists would take this for an error."""

with without_noise(DRJIT_NOISE):
    import drjit as dr
    import mitsuba as mi

mi.set_variant("scalar_rgb")
mi.set_log_level(mi.LogLevel.Error)


def load(description: dict[str, Any]) -> Any:
    """Return the object that a dictionary of mitsuba's describes, made by the calling thread alone.

    mitsuba's other threads may be denoising: to be made by them, an object would wait for up to 60 ms.
    """
    return mi.load_dict(description, parallel=False)


def transform(matrix: Matrix) -> mi.ScalarTransform4f:
    """A mitsuba transform."""
    return mi.ScalarTransform4f(np.ascontiguousarray(matrix, np.float64))


def rgb(value: tuple[float, float, float]) -> dict[str, object]:
    """A colour as mitsuba's dictionary."""
    return {"type": "rgb", "value": [float(component) for component in value]}


PASSING = {"type": "dielectric", "int_ior": 1.0, "ext_ior": 1.0}
"""A fully transparent BSDF of what emits; a path through `null` that hits nothing else has no value."""


__all__ = ["PASSING", "dr", "load", "mi", "rgb", "transform"]
