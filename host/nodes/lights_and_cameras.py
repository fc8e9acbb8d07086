"""The lights and cameras of a stage with their authored values, worded for the Parameters tab."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pxr import Sdf, Usd, UsdGeom, UsdLux

MAX_LISTED = 200
"""Limit for the lights and cameras in an answer: a production set may have tens of thousands."""
MAX_CHARACTERS = 300
"""Limit for the length of one value."""

_FIRST = (
    "inputs:intensity",
    "inputs:exposure",
    "inputs:color",
    "inputs:enableColorTemperature",
    "inputs:colorTemperature",
    "inputs:radius",
    "inputs:width",
    "inputs:height",
    "inputs:length",
    "inputs:angle",
    "focalLength",
    "horizontalAperture",
    "verticalAperture",
    "clippingRange",
    "focusDistance",
    "fStop",
)
"""Attributes in the order of the Light and Camera nodes; others follow by name."""
_LENS = frozenset(UsdGeom.Camera.GetSchemaAttributeNames(False))


@dataclass(frozen=True)
class ListedPrim:
    """A light or camera: its scene path, USD type, and (label, value) of each authored attribute."""

    path: str
    type: str
    values: tuple[tuple[str, str], ...]


def lights_and_cameras(stage: Any, frame: float) -> tuple[list[ListedPrim], int]:
    """Return the first MAX_LISTED lights and cameras, and how many more there are.

    Those inside instances are included. Values are those at `frame`.
    """
    listed: list[ListedPrim] = []
    more = 0
    for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)):
        if not prim.HasAPI(UsdLux.LightAPI) and not prim.IsA(UsdGeom.Camera):
            continue
        if len(listed) < MAX_LISTED:
            listed.append(ListedPrim(prim.GetPath().pathString, prim.GetTypeName(), _values(prim, frame)))
        else:
            more += 1
    return listed, more


def _values(prim: Any, frame: float) -> tuple[tuple[str, str], ...]:
    attributes = {
        attribute.GetName(): attribute
        for attribute in prim.GetAuthoredAttributes()
        if attribute.HasAuthoredValue()
        and (attribute.GetName().startswith("inputs:") or attribute.GetName() in _LENS)
    }
    names = [name for name in _FIRST if name in attributes]
    names += sorted(attributes.keys() - set(_FIRST))
    return tuple((_label(name), _shown(attributes[name], frame)) for name in names)


def _label(name: str) -> str:
    """Return an attribute's name as a label: `inputs:shaping:cone:angle` is `Shaping Cone Angle`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removeprefix("inputs:").replace(":", " ")).split()
    return " ".join(word[0].upper() + word[1:] for word in words).replace("F Stop", "F-Stop")


def _shown(attribute: Any, frame: float) -> str:
    text = _text(attribute.Get(frame))
    if len(text) > MAX_CHARACTERS:
        text = f"{text[:MAX_CHARACTERS]}…"
    return f"{text} (animated)" if attribute.ValueMightBeTimeVarying() else text


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sdf.AssetPath):
        return str(value.path)
    if isinstance(value, int | str):
        return str(value)
    try:
        count = len(value)
    except TypeError:
        return str(value)
    return ", ".join(_text(part) for part in value) if count <= 4 else f"{count} values"
