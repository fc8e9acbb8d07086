"""NodeType: ports, parameters, menu category and cook function of a node type; and CookContext.

The types themselves are in types/, one subject a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from ..usd_layers.layers import read_layers
from .errors import CookError
from .parameters import ParameterSpec, Value, Vector3


class NodeValues(Protocol):
    """What a cook function reads of the node: its name and its parameters."""

    @property
    def name(self) -> str:
        """The node's name."""

    def value(self, name: str) -> Value:
        """Return the value of a parameter."""

    def spec(self, name: str) -> ParameterSpec:
        """Return the specification of a parameter."""


@dataclass
class CookContext:
    """The input of a node type's cook function for one node.

    `layer` is the node's own USD layer, empty and already above its inputs' layers. `frame` is the frame
    being cooked.
    """

    node: NodeValues
    frame: float
    layer: Any
    inputs: tuple[Any, ...]
    open_stage: Callable[[], Any]
    files: list[Any] = field(default_factory=list)
    """Layers of files, to be held as long as the stage is used."""
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def stage(self) -> Any:
        """The stage of `layer` and its inputs; edits on it land in `layer`. Composed when first asked for."""
        return self.open_stage()

    def text(self, name: str) -> str:
        """Return the value of a text parameter."""
        value = self.node.value(name)
        assert isinstance(value, str), f"{name} does not hold text"
        return value.strip()

    def number(self, name: str) -> float:
        """Return the value of a number parameter."""
        value = self.node.value(name)
        assert isinstance(value, int | float), f"{name} does not hold a number"
        return float(value)

    def integer(self, name: str) -> int:
        """Return the value of a number parameter as an integer."""
        return int(self.number(name))

    def flag(self, name: str) -> bool:
        """Return the value of a boolean parameter."""
        return bool(self.node.value(name))

    def vector(self, name: str) -> Vector3:
        """Return the value of a vector or colour parameter."""
        value: Value = self.node.value(name)
        assert isinstance(value, tuple), f"{name} does not hold three numbers"
        return value

    def differs(self, *names: str) -> bool:
        """Return whether any of the parameters differs from its default."""
        return any(self.node.value(name) != self.node.spec(name).default for name in names)

    def file(self, name: str, what: str) -> str:
        """Return the path in a file parameter; raises CookError where it is no existing file.

        `what`: what the file is, for the error message.
        """
        path = self.text(name)
        if not path:
            raise self.error(f"has no {what}: choose one in its parameter {self.node.spec(name).label}.")
        try:
            if Path(path).is_dir():
                raise self.error(f"takes a {what}, and {path} is a folder.")
            if not Path(path).is_file():
                raise self.error(f"cannot find its {what} {path}.")
        except OSError as error:  # its folder may not be entered, or its name is too long
            raise self.error(f"cannot read its {what} {path}: {error.strerror}.") from error
        return path

    def warn(self, message: str) -> None:
        """Add a warning for the artist; cooking continues."""
        self.warnings.append(f"Node {self.node.name}: {message}")

    def read_files(self, path: str) -> Any:
        """Open a file and all that it refers to, and hold them; returns its layer, None where it is not USD.

        Raises:
            Tf.ErrorException: The file cannot be read.
        """
        layers = read_layers(path)
        self.files += layers
        return layers[0] if layers else None

    def error(self, message: str) -> CookError:
        """Return the error to raise: `Node NAME` and the message."""
        return CookError(f"Node {self.node.name} {message}")


Cook = Callable[[CookContext], None]


@dataclass(frozen=True)
class NodeType:
    """A type of node.

    `inputs` are the ports; with `any_inputs` there are as many as are used, and one more. `needs_input`: the
    node cannot be cooked without one. `cook` depends on the node's values, on the frame, and on which prims
    there are beneath it, with which types, metadata and order of transforms; not on the values of their
    attributes: a live render cooks it anew only when one of the former changes. `lists_prims`: the
    Parameters tab lists the lights and cameras of its scene.
    """

    name: str
    description: str
    category: str
    color: tuple[int, int, int]
    parameters: tuple[ParameterSpec, ...]
    cook: Cook
    inputs: tuple[str, ...] = ("in",)
    any_inputs: bool = False
    needs_input: bool = True
    is_render_node: bool = False
    lists_prims: bool = False
