"""Blender's shader nodes, made and linked in one expression each."""

from __future__ import annotations

from typing import Any

Value = Any
"""A socket of another node, a number, or a colour."""


class Nodes:
    """The node tree of one material or world, empty at first."""

    def __init__(self, owner: Any) -> None:
        """
        Args:
            owner: Blender's material, or its world.
        """
        owner.use_nodes = True
        self._tree = owner.node_tree
        self._tree.nodes.clear()

    def add(self, kind: str, inputs: dict[str | int, Value] | None = None, /, **settings: object) -> Any:
        """Return a new node.

        Args:
            kind: Blender's name of the node's class, without `ShaderNode`.
            inputs: By the input's name, or its index where several share one: a socket to link, or a value.
            settings: The node's properties.
        """
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for setting, chosen in settings.items():
            setattr(node, setting, chosen)
        for name, value in (inputs or {}).items():
            socket = node.inputs[name]
            if hasattr(value, "is_output"):
                self._tree.links.new(value, socket)
            elif isinstance(value, tuple) and socket.type == "RGBA":
                socket.default_value = (*value, 1.0)
            else:
                socket.default_value = value
        return node

    def value(self, kind: str, inputs: dict[str | int, Value] | None = None, /, **settings: object) -> Any:
        """Return the first output of a new node; see `add`."""
        return self.add(kind, inputs, **settings).outputs[0]

    def math(self, operation: str, *values: Value) -> Any:
        """Return the result of a Math node."""
        return self.value("Math", dict(enumerate(values)), operation=operation)

    def mix(self, share: Value, first: Any, second: Any) -> Any:
        """Return a mixture of two shaders; a share of 0 is the first alone."""
        return self.value("MixShader", {0: share, 1: first, 2: second})

    def emission(self, colour: Value) -> Any:
        """Return a shader that emits a radiance."""
        return self.value("Emission", {"Color": colour, "Strength": 1.0})

    def finish(self, shader: Any, kind: str = "OutputMaterial") -> None:
        """Make this shader the material's surface; with `OutputWorld`, the world's background."""
        self.add(kind, {"Surface": shader})
