"""The root node in Katana's API. Its parameters below `variables` are the project's graph state variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...nodes.scene import active_scene
from ...nodes.variables import Variable
from ._node import Node, Parameter, _view

__all__ = ["GroupNode"]

_ROOT = "rootNode"
_VARIABLES = "variables"


class GroupNode(Node):
    """A node that contains nodes. The stand-in has only one, the root node."""

    @classmethod
    def _root(cls) -> GroupNode:
        return cls.__new__(cls)

    def getName(self) -> str:
        """Return the root node's name."""
        return "rootNode"

    def getType(self) -> str:
        """Return the root node's type."""
        return "Group"

    def getChildren(self) -> list[Node]:
        """Return all nodes of the project."""
        return sorted(map(_view, active_scene().graph.nodes), key=Node.getName)

    def getChild(self, name: str) -> Node | None:
        """Return the node called `name`, or None."""
        node = active_scene().graph.find(name)
        return None if node is None else _view(node)

    def getNumChildren(self) -> int:
        """Return the number of nodes in the project."""
        return len(self.getChildren())

    def getParameters(self) -> Parameter:
        """Return the group of the project's parameters."""
        return _ProjectParameter._at()


class _ProjectParameter(Parameter):
    """A group or value among the root node's parameters. Its values are read from the project."""

    @classmethod
    def _at(cls, *path: str) -> _ProjectParameter:
        self = cls.__new__(cls)
        self._path = path
        return self

    _path: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ProjectParameter) and other._path == self._path

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def _variable(self) -> Variable:
        for variable in active_scene().project.variables:
            if variable.name == self._path[1]:
                return variable
        raise ValueError(f"The parameter {self.getFullName()} has been deleted.")

    def getName(self) -> str:
        """Return the name within its group."""
        return self._path[-1] if self._path else _ROOT

    def getFullName(self, includeNodeName: bool = True) -> str:
        """Return the dotted path, from the node's name on."""
        return ".".join([*([_ROOT] if includeNodeName else []), *self._path])

    def getNode(self) -> GroupNode:
        """Return the root node."""
        return GroupNode._root()

    def getParent(self) -> Parameter | None:
        """Return the group it is in; None for the root node's own."""
        return _ProjectParameter._at(*self._path[:-1]) if self._path else None

    def getType(self) -> str:
        """Return `group`, `number`, `string` or `stringArray`."""
        if len(self._path) <= 2:
            return "group"
        if len(self._path) == 4:
            return "string"
        return {"enable": "number", "value": "string", "options": "stringArray"}[self._path[2]]

    def getChildren(self) -> list[Parameter]:
        """Return what the group or the array holds."""
        return [_ProjectParameter._at(*self._path, name) for name in self._child_names()]

    def _child_names(self) -> Sequence[str]:
        match self._path:
            case ():
                return [_VARIABLES]
            case (_,):
                return [variable.name for variable in active_scene().project.variables]
            case (_, _):
                return ["enable", "value", "options"]
            case (_, _, "options"):
                return [f"i{index}" for index in range(len(self._variable.options))]
        return []

    def getValue(self, time: float) -> Any:
        """Return the value: a number or a string; None for groups and arrays."""
        del time
        match self._path:
            case (_, _, "enable"):
                return float(self._variable.enabled)
            case (_, _, "value"):
                return self._variable.value
            case (_, _, "options", index):
                return self._variable.options[int(index[1:])]
        return None

    def setValue(
        self, value: object, time: float, final: bool = True, sendNotifyMessage: bool = True
    ) -> None:
        """Set the value of a variable, or whether it is enabled."""
        del time, final, sendNotifyMessage
        match self._path:
            case (_, name, "enable"):
                _change(name, lambda variable: replace(variable, enabled=bool(value)))
            case (_, name, "value"):
                _change(name, lambda variable: replace(variable, value=str(value)))
            case _:
                raise TypeError(f"{self.getFullName()} cannot be set.")

    def isExpression(self) -> bool:
        """Return False: variables have no expressions."""
        return False

    def getExpression(self) -> str:
        """Return an empty string: variables have no expressions."""
        return ""


def _change(name: str, change: Callable[[Variable], Variable]) -> None:
    scene = active_scene()
    scene.set_variables(
        tuple(change(each) if each.name == name else each for each in scene.project.variables)
    )
