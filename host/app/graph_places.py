"""Where nodes are in the Node Graph: the neighbour in a direction, and a free place for a new node.

Positions are the upper left corners (x, y) in scene units; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Position = tuple[float, float]
Key = TypeVar("Key")

BELOW = 70.0
"""Vertical distance of a new node from the node that it is inserted after."""
_WIDTH, _HEIGHT = 160.0, 48.0
"""Size of a node with its ports and a little room."""
_SIDEWAYS_COST = 2.0
"""How much more a distance across the direction counts than one along it."""


def neighbour(places: Mapping[Key, Position], start: Key, direction: tuple[int, int]) -> Key | None:
    """Return the nearest of `places` from `start` in a `direction` such as (0, -1) for up; None if none."""
    x, y = places[start]
    right, down = direction
    best: tuple[float, Key] | None = None
    for key, (other_x, other_y) in places.items():
        along = (other_x - x) * right + (other_y - y) * down
        across = abs((other_x - x) * down) + abs((other_y - y) * right)
        cost = along + _SIDEWAYS_COST * across
        if key != start and along > 0 and (best is None or cost < best[0]):
            best = cost, key
    return None if best is None else best[1]


def free_place(places: Iterable[Position], wanted: Position) -> Position:
    """Return `wanted`, moved to the right as far as no node of `places` overlaps a node there."""
    x, y = wanted
    for other_x, other_y in sorted(places):
        if abs(other_x - x) < _WIDTH and abs(other_y - y) < _HEIGHT:
            x = other_x + _WIDTH
    return x, y
