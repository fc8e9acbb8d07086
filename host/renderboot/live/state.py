"""What the desktop sends of a live scene: the state of what changed, never a list of changes.

So two updates are one, the newer of both, and nothing queues up. Used by both ends; no I/O.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from typing import Any

MAX_SCALE = 16


class MalformedUpdateError(ValueError):
    """What was received is no update; the text says why."""


@dataclass(frozen=True)
class LayerText:
    """One layer of the scene: USD's text of it without what lies beneath, and the names of that.

    `beneath` are keys of other layers, or paths of files where no layer has that key; the strongest first.
    """

    text: str
    beneath: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """What is no longer as it was; None where it still is. The first one of a connection holds everything.

    Attributes:
        revision: grows with each state of the scene.
        root: the key of the strongest layer.
        layers: by their keys; those that are not named are as before.
        frame: the frame to render.
        paused: whether nothing is rendered until further notice.
        scale: each side of the picture is divided by it.
        region: left, top, right, bottom from 0 to 1 of what is rendered; empty for the whole picture.
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
        """Whether the picture is another after it: not where it only pauses."""
        return bool(self.layers) or any(
            value is not None for value in (self.root, self.frame, self.scale, self.region)
        )


def merged(older: Update | None, newer: Update) -> Update:
    """Return one update that does what both do, one after the other."""
    if older is None:
        return newer
    named = {each.name: getattr(newer, each.name) for each in fields(newer) if each.name != "layers"}
    changed = {name: value for name, value in named.items() if value is not None}
    return replace(older, layers={**older.layers, **newer.layers}, **changed)


def encoded(update: Update) -> bytes:
    """Return the update as JSON, without what it leaves as it is."""
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
    """Return what `encoded` was given; raises MalformedUpdateError for anything else."""
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
            frame=_of(float, data.get("frame")),
            paused=_of(bool, data.get("paused")),
            scale=_of(int, data.get("scale")),
            region=None if region is None else tuple(float(edge) for edge in region),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedUpdateError(f"not an update of a live scene: {error}") from error
    if update.scale is not None and not 1 <= update.scale <= MAX_SCALE:
        raise MalformedUpdateError(f"a scale of {update.scale}")
    if update.region and not _is_region(update.region):
        raise MalformedUpdateError(f"a region of {update.region}")
    return update


def _of(kind: type, value: Any) -> Any:
    return None if value is None else kind(value)


def _is_region(region: tuple[float, ...]) -> bool:
    if len(region) != 4:
        return False
    left, top, right, bottom = region
    return 0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0
