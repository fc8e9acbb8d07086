"""The node graph: nodes, their values and connections, and the observers of their changes.

How each node type is cooked is in types/ and cooking.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from .errors import GraphError
from .node_type import NodeType
from .parameters import ParameterSpec, Value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Change(Enum):
    """The kind of a change to the graph."""

    NODE_ADDED = auto()
    NODE_REMOVED = auto()
    NODE_RENAMED = auto()
    NODE_MOVED = auto()
    VALUE = auto()
    CONNECTION = auto()
    BYPASSED = auto()


@dataclass(frozen=True)
class GraphEvent:
    """One change; `detail` is the parameter's or port's name, or a node's old name."""

    change: Change
    node: Node
    detail: str = ""


Observer = Callable[[GraphEvent], None]


class Node:
    """A node of a graph. Created by `Graph.create`; changed only through the graph or the node's setters."""

    def __init__(self, graph: Graph, node_type: NodeType, name: str, position: tuple[float, float]) -> None:
        self._graph = graph
        self.type = node_type
        self._name = name
        self._position = position
        self._values: dict[str, Value] = {spec.name: spec.default for spec in node_type.parameters}
        self._specs: dict[str, ParameterSpec] = {spec.name: spec for spec in node_type.parameters}
        self._expressions: dict[str, str] = {}
        self._sources: dict[str, Node] = {}
        self._bypassed = False

    def __repr__(self) -> str:
        return f"<Node {self._name} ({self.type.name})>"

    @property
    def graph(self) -> Graph:
        """The graph that this node belongs to, or belonged to."""
        return self._graph

    @property
    def name(self) -> str:
        """The node's name, unique in the graph; changed by `Graph.rename`."""
        return self._name

    @property
    def position(self) -> tuple[float, float]:
        """The node's position (x, y) in the Node Graph, in scene units."""
        return self._position

    @position.setter
    def position(self, position: tuple[float, float]) -> None:
        if position != self._position:
            self._position = position
            self._graph.notify(GraphEvent(Change.NODE_MOVED, self))

    @property
    def bypassed(self) -> bool:
        """Whether the node is bypassed: cooking then ignores the node's own effect."""
        return self._bypassed

    @bypassed.setter
    def bypassed(self, bypassed: bool) -> None:
        if bypassed != self._bypassed:
            self._bypassed = bypassed
            self._graph.notify(GraphEvent(Change.BYPASSED, self))

    @property
    def specs(self) -> tuple[ParameterSpec, ...]:
        """The specifications of the node's parameters, in display order."""
        return self.type.parameters

    def spec(self, name: str) -> ParameterSpec:
        """Return the specification of the parameter `name`; raises GraphError where there is none."""
        try:
            return self._specs[name]
        except KeyError:
            raise GraphError(f"Node {self._name} ({self.type.name}) has no parameter {name!r}.") from None

    def value(self, name: str) -> Value:
        """Return the constant value of the parameter `name`, which is kept while it has an expression.

        Raises GraphError where there is no such parameter.
        """
        self.spec(name)
        return self._values[name]

    def set_value(self, name: str, value: object) -> None:
        """Set a parameter, and the values it implies for parameters at their defaults; notify the observers.

        Raises GraphError for an unknown parameter, ParameterError for a value that it does not accept.
        """
        checked = self.spec(name).check(value)
        if checked != self._values[name]:
            self._values[name] = checked
            self._graph.notify(GraphEvent(Change.VALUE, self, name))
            for other, implied in self.spec(name).implies.get(str(checked), {}).items():
                if self._values[other] == self.spec(other).default:
                    self.set_value(other, implied)

    def expression(self, name: str) -> str:
        """Return the expression of the parameter `name`, or an empty string where it has none."""
        self.spec(name)
        return self._expressions.get(name, "")

    def set_expression(self, name: str, expression: str) -> None:
        """Set the expression of a parameter; an empty one restores the constant value. See expressions.py."""
        if expression != self.expression(name):
            if expression:
                self._expressions[name] = expression
            else:
                del self._expressions[name]
            self._graph.notify(GraphEvent(Change.VALUE, self, name))

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the input ports. A node with any number of inputs always has a free one at the end."""
        if not self.type.any_inputs:
            return self.type.inputs
        used = [int(port[1:]) for port in self._sources]
        return tuple(f"i{index}" for index in range(max([1, *(index + 1 for index in used)]) + 1))

    def source(self, port: str) -> Node | None:
        """Return the node connected to the input `port`, if any."""
        return self._sources.get(port)

    @property
    def sources(self) -> dict[str, Node]:
        """The source node of each connected input, by port name."""
        return {port: self._sources[port] for port in self.input_names if port in self._sources}

    def upstream(self) -> Iterator[Node]:
        """Yield this node and all nodes upstream, each once, breadth first."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            node = waiting.pop(0)
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                waiting.extend(node.sources.values())


class Graph:
    """All nodes of a project. Not thread-safe: used on the thread that made it only."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Call `observer` with each later change, on the thread that makes the change."""
        self._observers.append(observer)

    def ignore(self, observer: Observer) -> None:
        """Stop calling `observer`."""
        self._observers.remove(observer)

    def notify(self, event: GraphEvent) -> None:
        """Call all observers with `event`."""
        for observer in tuple(self._observers):
            observer(event)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, oldest first."""
        return tuple(self._nodes.values())

    def find(self, name: str) -> Node | None:
        """Return the node called `name`, if there is one."""
        return self._nodes.get(name)

    def node(self, name: str) -> Node:
        """Return the node called `name`; raises GraphError, which lists the existing nodes, otherwise."""
        node = self._nodes.get(name)
        if node is None:
            known = ", ".join(self._nodes) or "none"
            raise GraphError(f"There is no node called {name!r} in this project; its nodes are: {known}.")
        return node

    def create(self, node_type: NodeType, name: str = "", position: tuple[float, float] = (0.0, 0.0)) -> Node:
        """Add a node and return it. Its name is `name` or else the type's, made valid and unique."""
        node = Node(self, node_type, self._unique(name or node_type.name), position)
        self._nodes[node.name] = node
        self.notify(GraphEvent(Change.NODE_ADDED, node))
        return node

    def consumers(self, node: Node) -> list[tuple[Node, str]]:
        """Return the (node, input port) pairs that `node` is the source of."""
        return [
            (other, port) for other in self.nodes for port, source in other.sources.items() if source is node
        ]

    def remove(self, node: Node, reconnect: bool = False) -> None:
        """Remove `node` and its connections. `reconnect`: connect its first source to its consumers."""
        source = next(iter(node.sources.values()), None) if reconnect else None
        consumers = self.consumers(node)
        for port in tuple(node.sources):
            self.disconnect(node, port)
        for other, port in consumers:
            self.disconnect(other, port)
            if source is not None:
                self.connect(source, other, port)
        del self._nodes[node.name]
        self.notify(GraphEvent(Change.NODE_REMOVED, node))

    def rename(self, node: Node, name: str, update_expressions: bool = True) -> str:
        """Rename `node` to `name`, made valid and unique, and return the new name.

        `update_expressions`: expressions that read its parameters as getParam('name.parameter') read them by
        the new name; other arguments of getParam stay, such as a choice between two paths.
        """
        if name == node.name:
            return name
        old, new = node.name, self._unique(name, node.name)
        if new == old:
            return old
        self._nodes = {(new if key == old else key): value for key, value in self._nodes.items()}
        node._name = new
        self.notify(GraphEvent(Change.NODE_RENAMED, node, old))
        if update_expressions:
            reading = re.compile(rf"(\bgetParam\s*\(\s*['\"]){old}(?=\.)")
            for other in self.nodes:
                for parameter, expression in tuple(other._expressions.items()):
                    other.set_expression(parameter, reading.sub(rf"\g<1>{new}", expression))
        return new

    def connect(self, source: Node, target: Node, port: str = "") -> str:
        """Connect `source` to an input of `target`, the first free one by default; return the port's name.

        Raises GraphError where the port does not exist, none is free, or a cycle would result.
        """
        if not port:
            free = [name for name in target.input_names if target.source(name) is None]
            if not free:
                raise GraphError(f"Node {target.name} ({target.type.name}) has no free input.")
            port = free[0]
        if port not in target.input_names and not (
            target.type.any_inputs and re.fullmatch(r"i\d{1,3}", port)
        ):
            raise GraphError(f"Node {target.name} ({target.type.name}) has no input called {port!r}.")
        if any(node is target for node in source.upstream()):
            raise GraphError(f"Connecting {source.name} to {target.name} would create a cycle.")
        if target.source(port) is not source:
            target._sources[port] = source
            self.notify(GraphEvent(Change.CONNECTION, target, port))
        return port

    def arrange(self, names: list[str]) -> None:
        """Set the order of `nodes`; `names` must contain all node names."""
        self._nodes = {name: self._nodes[name] for name in names}

    def insert(self, node: Node, target: Node, port: str) -> None:
        """Insert an unconnected `node` between the input `port` of `target` and the port's source.

        Raises GraphError where the port is not connected, or `node` has connections or no input.
        """
        source = target.source(port)
        if source is None:
            raise GraphError(f"Nothing is connected to {port!r} of {target.name}.")
        if not node.input_names or node.sources or self.consumers(node):
            raise GraphError(f"Node {node.name} cannot be inserted: it has connections, or no input.")
        self.connect(source, node)
        self.connect(node, target, port)

    def insert_after(self, node: Node, source: Node) -> None:
        """Insert an unconnected `node` between `source` and all its consumers; nothing if it has no input."""
        if not node.input_names:
            return
        consumers = self.consumers(source)
        self.connect(source, node)
        for target, port in consumers:
            self.connect(node, target, port)

    def disconnect(self, target: Node, port: str) -> None:
        """Disconnect the input `port` of `target`, if it is connected."""
        if target._sources.pop(port, None) is not None:
            self.notify(GraphEvent(Change.CONNECTION, target, port))

    def _unique(self, name: str, own: str = "") -> str:
        cleaned = re.sub(r"[^A-Za-z0-9_]+", "_", name.strip()) or "Node"
        if not _NAME.fullmatch(cleaned):
            cleaned = "_" + cleaned
        if cleaned not in self._nodes or cleaned == own:
            return cleaned
        stem = cleaned.rstrip("0123456789") or cleaned
        number = 1
        while f"{stem}{number}" in self._nodes and f"{stem}{number}" != own:
            number += 1
        return f"{stem}{number}"
