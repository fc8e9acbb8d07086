"""What the desktop sends of a live scene: the new state of changed parts, never a list of edits.

So two updates merge into one, and none queue up. Used by both ends; no I/O.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

MAX_SCALE = 16


class MalformedUpdateError(ValueError):
    """The received bytes are not an update; the text gives the reason."""


@dataclass(frozen=True)
class LayerText:
    """One layer of the scene: its USD text without sublayers, and the names of its sublayers.

    `beneath` lists sublayers, the strongest first: keys of other layers, else file paths.
    """

    text: str
    beneath: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """The changed parts of the scene; None: unchanged. The first update of a connection is complete.

    Attributes:
        revision: grows with each state of the scene.
        root: the key of the strongest layer.
        layers: changed layers by key; others are unchanged.
        frame: the frame to render.
        paused: whether rendering pauses until an update sets it to False.
        scale: divisor of the picture's width and height.
        region: left, top, right, bottom of the rendered region, 0 to 1; empty: the whole picture.
    """

    revision: int | None = None
    root: str | None = None
    layers: dict[str, LayerText] = field(default_factory=dict)
    frame: float | None = None
    paused: bool | None = None
    scale: int | None = None
    region: tuple[float, ...] | None = None

    @property
    def changes_picture(self) -> bool:
        """Whether the update changes the picture: False when it only pauses or resumes."""
        return bool(self.layers) or any(
            value is not None for value in (self.root, self.frame, self.scale, self.region)
        )


def merged(older: Update | None, newer: Update) -> Update:
    """Return one update with the effect of `older` followed by `newer`."""
    if older is None:
        return newer
    named = {each.name: getattr(newer, each.name) for each in fields(newer) if each.name != "layers"}
    changed = {name: value for name, value in named.items() if value is not None}
    return replace(older, layers={**older.layers, **newer.layers}, **changed)


def encoded(update: Update) -> bytes:
    """Return the update as JSON, without unchanged parts."""
    content: dict[str, Any] = {
        each.name: value
        for each in fields(update)
        if each.name != "layers" and (value := getattr(update, each.name)) is not None
    }
    if update.layers:
        content["layers"] = {
            key: {"text": layer.text, "beneath": list(layer.beneath)} for key, layer in update.layers.items()
        }
    return json.dumps(content).encode()


def decoded(content: bytes) -> Update:
    """Parse the result of `encoded`; raises MalformedUpdateError for anything else."""
    try:
        data = json.loads(content)
        layers = {
            str(key): LayerText(str(layer["text"]), tuple(str(name) for name in layer["beneath"]))
            for key, layer in data.get("layers", {}).items()
        }
        region = data.get("region")
        update = Update(
            revision=_of(int, data.get("revision")),
            root=_of(str, data.get("root")),
            layers=layers,
            frame=_of(_frame, data.get("frame")),
            paused=_of(bool, data.get("paused")),
            scale=_of(int, data.get("scale")),
            region=None if region is None else tuple(float(edge) for edge in region),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedUpdateError(f"not an update of a live scene: {error}") from error
    if update.scale is not None and not 1 <= update.scale <= MAX_SCALE:
        raise MalformedUpdateError(f"a scale of {update.scale}")
    if update.region and not _is_region(update.region):
        raise MalformedUpdateError(f"a region of {update.region}")
    return update


def _of(kind: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else kind(value)


def _frame(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a frame of {number}")
    return number


def _is_region(region: tuple[float, ...]) -> bool:
    if len(region) != 4:
        return False
    left, top, right, bottom = region
    return 0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0
