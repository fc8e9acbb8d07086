"""Node, Port and Parameter as Katana's API shows them: thin views on what host.nodes holds."""

from __future__ import annotations

import weakref
from typing import Any

from ...nodes.errors import ExpressionError
from ...nodes.expressions import Evaluator, check
from ...nodes.graph import Node as GraphNode
from ...nodes.parameters import Kind, ParameterSpec, Value
from ...nodes.scene import active_scene
from ...nodes.variables import values_of

__all__ = ["Node", "Parameter", "Port"]

_nodes: weakref.WeakKeyDictionary[GraphNode, Node] = weakref.WeakKeyDictionary()
_NUMBERS = (Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER)
_OUT = "out"


def _view(node: GraphNode) -> Node:
    """Return the API's Node for the graph's `node`: the same object for each call while it is referenced."""
    found = _nodes.get(node)
    if found is None:
        found = Node._show(node)
        _nodes[node] = found
    return found


class Node:
    """A node of the project."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("nodes are made by NodegraphAPI.CreateNode")

    @classmethod
    def _show(cls, node: GraphNode) -> Node:
        self = cls.__new__(cls)
        # A strong reference here would keep the entry of _nodes alive for ever; the graph owns its nodes.
        self._reference = weakref.ref(node)
        return self

    _reference: weakref.ref[GraphNode]

    @property
    def _node(self) -> GraphNode:
        node = self._reference()
        if node is None:
            raise ValueError("This node has been deleted.")
        return node

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{self.getType()} node {self.getName()!r}>"

    def getName(self) -> str:
        """Return the node's name, unique in the project."""
        return self._node.name

    def setName(self, name: str, updateExpressions: bool = True) -> str:
        """Rename the node and return the name it got: `name`, or the next free one like it.

        Unless `updateExpressions` is false, expressions that read its parameters are changed to the new name.
        """
        return self._node.graph.rename(self._node, name, updateExpressions)

    def getType(self) -> str:
        """Return the node's type."""
        return self._node.type.name

    def getBaseType(self) -> str:
        """Return the name of the node's base type. The stand-in has no derived types: the same as getType."""
        return self._node.type.name

    def getParameters(self) -> Parameter:
        """Return the group of all parameters."""
        return Parameter._show(self._node, None)

    def getParameter(self, name: str) -> Parameter | None:
        """Return the parameter at the dotted path `name`, or None."""
        return self.getParameters().getChild(name)

    def getParameterValue(self, name: str, time: float) -> Any:
        """Return the value of the parameter `name` at `time`, in frames; None where there is none.

        Raises ExpressionError where its expression cannot be evaluated.
        """
        parameter = self.getParameter(name)
        return None if parameter is None else parameter.getValue(time)

    def getInputPorts(self) -> list[Port]:
        """Return the input ports, in order."""
        return [Port._show(self._node, name, Port.TYPE_CONSUMER) for name in self._node.input_names]

    def getOutputPorts(self) -> list[Port]:
        """Return the output ports: always one, `out`."""
        return [Port._show(self._node, _OUT, Port.TYPE_PRODUCER)]

    def getInputPort(self, name: str) -> Port | None:
        """Return the input port called `name`, or None."""
        return next((port for port in self.getInputPorts() if port.getName() == name), None)

    def getOutputPort(self, name: str) -> Port | None:
        """Return the output port called `name`, or None."""
        return next((port for port in self.getOutputPorts() if port.getName() == name), None)

    def getInputPortByIndex(self, index: int) -> Port | None:
        """Return the input port at `index`, from 0, or None where there is none."""
        ports = self.getInputPorts()
        return ports[index] if 0 <= index < len(ports) else None

    def getOutputPortByIndex(self, index: int) -> Port | None:
        """Return the output port at `index`, from 0, or None where there is none."""
        ports = self.getOutputPorts()
        return ports[index] if 0 <= index < len(ports) else None

    def getNumInputPorts(self) -> int:
        """Return the number of input ports."""
        return len(self._node.input_names)

    def getNumOutputPorts(self) -> int:
        """Return the number of output ports: always 1."""
        return 1

    def isBypassed(self) -> bool:
        """Return whether the node is bypassed: cooking passes its inputs through unchanged."""
        return self._node.bypassed

    def setBypassed(self, bypassed: bool) -> None:
        """Bypass the node, or enable it again."""
        self._node.bypassed = bypassed

    def isLocked(self, considerParents: bool = True) -> bool:
        """Return False: the stand-in has no locked nodes."""
        del considerParents
        return False

    def isMarkedForDeletion(self) -> bool:
        """Return whether the node is no longer in the project."""
        node = self._reference()
        return node is None or node.graph.find(node.name) is not node

    def delete(self) -> bool:
        """Delete the node from the project; return False where it had been deleted already."""
        if self.isMarkedForDeletion():
            return False
        self._node.graph.remove(self._node)
        return True


class Port:
    """An input or the output of a node."""

    TYPE_CONSUMER = 0
    TYPE_PRODUCER = 1

    def __init__(self) -> None:
        raise TypeError("ports belong to nodes and are not made alone")

    @classmethod
    def _show(cls, node: GraphNode, name: str, port_type: int) -> Port:
        self = cls.__new__(cls)
        self._node = node
        self._name = name
        self._type = port_type
        return self

    _node: GraphNode
    _name: str
    _type: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Port) and (self._node, self._name, self._type) == (
            other._node,
            other._name,
            other._type,
        )

    def __hash__(self) -> int:
        return hash((id(self._node), self._name, self._type))

    def __repr__(self) -> str:
        return f"<Port {self._name!r} of {self._node.name!r}>"

    def getName(self) -> str:
        """Return the port's name."""
        return self._name

    def getNode(self) -> Node:
        """Return the node that the port belongs to."""
        return _view(self._node)

    def getType(self) -> int:
        """Return TYPE_CONSUMER for an input, TYPE_PRODUCER for an output."""
        return self._type

    def getIndex(self) -> int:
        """Return the port's index among the node's inputs or outputs, from 0."""
        return self._node.input_names.index(self._name) if self._type == self.TYPE_CONSUMER else 0

    def getConnectedPorts(self) -> list[Port]:
        """Return the ports that this port is connected to."""
        if self._type == self.TYPE_CONSUMER:
            source = self._node.source(self._name)
            return [] if source is None else [Port._show(source, _OUT, self.TYPE_PRODUCER)]
        return [
            Port._show(other, name, self.TYPE_CONSUMER)
            for other in self._node.graph.nodes
            for name, source in other.sources.items()
            if source is self._node
        ]

    def getConnectedPort(self, index: int) -> Port | None:
        """Return the connected port at `index`, from 0, or None where there is none."""
        ports = self.getConnectedPorts()
        return ports[index] if 0 <= index < len(ports) else None

    def getNumConnectedPorts(self) -> int:
        """Return the number of connected ports."""
        return len(self.getConnectedPorts())

    def isConnected(self, other: Port) -> bool:
        """Return whether this port and `other` are connected."""
        return other in self.getConnectedPorts()

    def connect(self, other: Port, doCycleCheck: bool = True) -> bool:
        """Connect an input and an output; return False for two inputs or two outputs.

        Raises GraphError where the connection would make a cycle.
        """
        del doCycleCheck
        if self._type == other._type:
            return False
        consumer, producer = (self, other) if self._type == self.TYPE_CONSUMER else (other, self)
        self._node.graph.connect(producer._node, consumer._node, consumer._name)
        return True

    def disconnect(self, other: Port) -> bool:
        """Remove the connection to `other`; return False where there is none."""
        if not self.isConnected(other):
            return False
        consumer = self if self._type == self.TYPE_CONSUMER else other
        self._node.graph.disconnect(consumer._node, consumer._name)
        return True


class Parameter:
    """A node's group of parameters, a single value, a colour or vector, or one component of those."""

    def __init__(self) -> None:
        raise TypeError("parameters belong to nodes and are not made alone")

    @classmethod
    def _show(cls, node: GraphNode, spec: ParameterSpec | None, index: int | None = None) -> Parameter:
        self = cls.__new__(cls)
        self._node = node
        self._spec = spec
        self._index = index
        return self

    _node: GraphNode
    _spec: ParameterSpec | None
    _index: int | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and (self._node, self._spec, self._index) == (
            other._node,
            other._spec,
            other._index,
        )

    def __hash__(self) -> int:
        return hash((id(self._node), self._spec, self._index))

    def __repr__(self) -> str:
        return f"<Parameter {self.getFullName()}>"

    def getName(self) -> str:
        """Return the parameter's name within its group; the node's name for the node's own group."""
        if self._spec is None:
            return self._node.name
        return self._spec.name if self._index is None else f"i{self._index}"

    def getFullName(self, includeNodeName: bool = True) -> str:
        """Return the dotted path, starting with the node's name unless `includeNodeName` is false."""
        parts = [self._node.name] if includeNodeName or self._spec is None else []
        if self._spec is not None:
            parts.append(self._spec.name)
        if self._index is not None:
            parts.append(self.getName())
        return ".".join(parts)

    def getNode(self) -> Node:
        """Return the node that the parameter belongs to."""
        return _view(self._node)

    def getParent(self) -> Parameter | None:
        """Return the group or array that contains the parameter; None for a node's own group."""
        if self._spec is None:
            return None
        return Parameter._show(self._node, None if self._index is None else self._spec)

    def getType(self) -> str:
        """Return `group`, `number`, `string` or `numberArray`."""
        if self._spec is None:
            return "group"
        if self._spec.kind in (Kind.COLOR, Kind.VECTOR) and self._index is None:
            return "numberArray"
        return "number" if self._index is not None or self._spec.kind in _NUMBERS else "string"

    def getChildren(self) -> list[Parameter]:
        """Return the parameters in the group, or the components of the array; otherwise an empty list."""
        if self._spec is None:
            return [Parameter._show(self._node, spec) for spec in self._node.specs]
        if self.getType() == "numberArray":
            return [Parameter._show(self._node, self._spec, index) for index in range(3)]
        return []

    def getNumChildren(self) -> int:
        """Return the number of children: parameters of the group or components of the array."""
        return len(self.getChildren())

    def getChildByIndex(self, index: int) -> Parameter | None:
        """Return the child at `index`, from 0, or None where there is none."""
        children = self.getChildren()
        return children[index] if 0 <= index < len(children) else None

    def getChild(self, name: str) -> Parameter | None:
        """Return the child at the dotted path `name`, or None."""
        first, _, rest = name.partition(".")
        child = next((child for child in self.getChildren() if child.getName() == first), None)
        return child.getChild(rest) if child is not None and rest else child

    def getValue(self, time: float) -> Any:
        """Return the value at `time`, in frames: a number or a string; None for groups and arrays.

        Raises ExpressionError where an expression cannot be evaluated.
        """
        if self._spec is None or self.getType() == "numberArray":
            return None
        value = self._evaluated(self._spec.name, time)
        if self._index is not None:
            assert isinstance(value, tuple)
            return value[self._index]
        return float(value) if isinstance(value, bool | int) else value

    def setValue(
        self, value: object, time: float, final: bool = True, sendNotifyMessage: bool = True
    ) -> None:
        """Set the value. `time`, `final` and `sendNotifyMessage` are ignored.

        Raises ParameterError where the parameter does not accept `value`, TypeError for a group.
        """
        del time, final, sendNotifyMessage
        if self._spec is None:
            raise TypeError(f"{self.getFullName()} is a group and has no value.")
        if self._index is not None:
            whole = self._node.value(self._spec.name)
            assert isinstance(whole, tuple)
            parts: list[object] = list(whole)
            parts[self._index] = value
            self._node.set_value(self._spec.name, parts)
        else:
            self._node.set_value(self._spec.name, value)

    def isAnimated(self) -> bool:
        """Return False: the stand-in has no animation curves."""
        return False

    def _evaluated(self, name: str, time: float) -> Value:
        scene = active_scene()
        return Evaluator(self._node.graph, time).value(self._node, name, values_of(scene.project.variables))

    def isExpression(self) -> bool:
        """Return whether the value is an expression."""
        return bool(self.getExpression())

    def getExpression(self) -> str:
        """Return the expression, or an empty string."""
        return "" if self._spec is None else self._node.expression(self._spec.name)

    def setExpression(self, expression: str, enable: bool = True) -> None:
        """Give the parameter an expression in place of its value; with `enable` false, nothing changes."""
        if self._spec is None or self._index is not None:
            raise TypeError(f"{self.getFullName()} takes no expression.")
        if enable:
            check(expression)
            self._node.set_expression(self._spec.name, expression)

    def getExpressionError(self) -> str:
        """Return why the expression cannot be evaluated at the current frame, or an empty string."""
        try:
            if self._spec is not None:
                self._evaluated(self._spec.name, active_scene().frame)
        except ExpressionError as error:
            return str(error)
        return ""

    def makeConstant(self, time: float) -> None:
        """Have the parameter keep the value that it has at `time`."""
        if self._spec is not None and self.isExpression():
            value = self._evaluated(self._spec.name, time)
            self._node.set_expression(self._spec.name, "")
            self._node.set_value(self._spec.name, value)
