"""Basis weights of curves and patches: each control point's share in each sample. Independent of USD."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]

_SAMPLES = 6
"""Samples for each cubic segment."""
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
    """Weights (samples, control points) of a curve, and its number of segments; None for too few points.

    Args:
        count: Control points.
        kind: linear or cubic.
        name: bezier, bspline or catmullRom.
        wrap: nonperiodic, periodic or pinned.
    """
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


def nurbs(count: int, order: int, knots: Weights, ends: tuple[float, float] | None) -> Weights | None:
    """Weights (samples, control points) of a B-spline; None when its arguments are inconsistent.

    Args:
        count: Control points.
        order: Degree + 1.
        knots: count + order values.
        ends: Parameter range that is rendered; None: all.
    """
    if order < 2 or count < order or len(knots) < count + order or not np.isfinite(knots).all():
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
    weights = np.zeros((len(u), len(knots) - 1))
    weights[np.arange(len(u)), span] = 1.0
    for degree in range(1, order):
        raised = np.zeros_like(weights)
        for i in range(len(knots) - 1 - degree):
            left, right = knots[i + degree] - knots[i], knots[i + degree + 1] - knots[i + 1]
            if left > 0:
                raised[:, i] += (u - knots[i]) / left * weights[:, i]
            if right > 0:
                raised[:, i] += (knots[i + degree + 1] - u) / right * weights[:, i + 1]
        weights = raised
    return weights[:, :count]
