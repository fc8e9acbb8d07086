"""Basis weights of curves and patches: each control point's share in each sample. Independent of USD."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]
"""For each weight the index of its control point."""

_SAMPLES = 6
"""Samples for each cubic segment."""
_MAX_DENSE = 2**25
"""Weights of one curve: 256 MiB."""
_MATRICES = {
    "bezier": [[-1, 3, -3, 1], [3, -6, 3, 0], [-3, 3, 0, 0], [1, 0, 0, 0]],
    "bspline": [
        [-1 / 6, 1 / 2, -1 / 2, 1 / 6],
        [1 / 2, -1, 1 / 2, 0],
        [-1 / 2, 0, 1 / 2, 0],
        [1 / 6, 2 / 3, 1 / 6, 0],
    ],
    "catmullRom": [
        [-1 / 2, 3 / 2, -3 / 2, 1 / 2],
        [1, -5 / 2, 2, -1 / 2],
        [-1 / 2, 0, 1 / 2, 0],
        [0, 1, 0, 0],
    ],
}


@lru_cache(maxsize=256)
def basis(count: int, kind: str, name: str, wrap: str) -> tuple[Weights, int] | None:
    """Weights (samples, control points) of a curve, and its number of segments; None for too few or too many.

    Args:
        count: Control points.
        kind: linear or cubic.
        name: bezier, bspline or catmullRom.
        wrap: nonperiodic, periodic or pinned.
    """
    if count * count * (1 if kind == "linear" else _SAMPLES) > _MAX_DENSE:
        return None
    is_closed = wrap == "periodic"
    if kind == "linear":
        if count < 2:
            return None
        rows = np.eye(count)
        return (np.concatenate([rows, rows[:1]]), count) if is_closed else (rows, count - 1)
    matrix = np.array(_MATRICES.get(name, _MATRICES["bezier"]))
    control = np.eye(count)
    step = 3 if name == "bezier" else 1
    if is_closed:
        segments = count // step
        control = np.concatenate([control, control[: 4 - step]])
    else:
        if wrap == "pinned" and step == 1 and count >= 2:
            # Two points more, so that the curve begins and ends in its first and last ones.
            control = np.concatenate(
                [[2 * control[0] - control[1]], control, [2 * control[-1] - control[-2]]]
            )
        segments = (len(control) - 4) // step + 1 if len(control) >= 4 else 0
    if segments < 1 or count < (2 if step == 1 else 4 - is_closed):
        return None
    t = np.arange(_SAMPLES) / _SAMPLES
    powers = np.stack([t**3, t**2, t, np.ones_like(t)], axis=1) @ matrix
    parts = [powers @ control[segment * step : segment * step + 4] for segment in range(segments)]
    last = segments - 1
    end = np.ones((1, 4)) @ matrix @ control[last * step : last * step + 4]
    return np.concatenate([*parts, end]), segments


def nurbs(
    count: int, order: int, knots: Weights, ends: tuple[float, float] | None
) -> tuple[Weights, Columns] | None:
    """Weights (samples, order) of a B-spline, and their control points; None for invalid arguments.

    Args:
        count: Control points.
        order: Degree + 1.
        knots: count + order values; none: evenly spaced ones, with the curve through its ends.
        ends: Parameter range that is rendered; None: all.
    """
    if order < 2 or count < order:
        return None
    if not len(knots):
        inner = np.arange(count - order + 2, dtype=np.float64)
        knots = np.concatenate([np.repeat(inner[:1], order - 1), inner, np.repeat(inner[-1:], order - 1)])
    if len(knots) < count + order or not np.isfinite(knots).all():
        return None
    knots = knots[: count + order]
    low, high = float(knots[order - 1]), float(knots[count])
    if ends and ends[1] > ends[0]:
        low, high = max(low, ends[0]), min(high, ends[1])
    if not high > low or (np.diff(knots) < 0).any():
        return None
    samples = 1 if order == 2 else _SAMPLES
    inside = np.unique(np.clip(knots, low, high))
    u = np.unique(np.concatenate([np.linspace(a, b, samples + 1) for a, b in pairwise(inside)]))
    span = np.clip(np.searchsorted(knots, u, side="right") - 1, order - 1, count - 1)
    weights = np.zeros((len(u), order))
    weights[:, 0] = 1.0
    # Cox and de Boor: only `order` weights of each sample are not zero.
    for degree in range(1, order):
        saved = np.zeros(len(u))
        for i in range(degree):
            right, left = knots[span + i + 1] - u, u - knots[span + 1 - degree + i]
            width = right + left
            share = np.divide(weights[:, i], width, out=np.zeros_like(saved), where=width > 0)
            weights[:, i] = saved + right * share
            saved = left * share
        weights[:, degree] = saved
    return weights, span[:, None] - order + 1 + np.arange(order)


def dense(weights: Weights, columns: Columns, count: int) -> Weights | None:
    """Return the weights as (samples, count), most of them zero; None when that is too large to hold."""
    if len(weights) * count > _MAX_DENSE:
        return None
    whole = np.zeros((len(weights), count))
    np.put_along_axis(whole, columns, weights, axis=1)
    return whole
