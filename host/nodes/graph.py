"""The node graph: nodes, their values and connections, and the observers of their changes.

It knows that nodes have types; what a type does when it is cooked is in types/ and cooking.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from .errors import GraphError
from .parameters import ParameterSpec, Value

if TYPE_CHECKING:
    from .node_type import NodeType

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Change(Enum):
    """What happened to the graph."""

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
    """One node of a graph. Made by `Graph.create`, changed only through its graph or its own setters."""

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
        """Unique in the graph; changed by `Graph.rename`."""
        return self._name

    @property
    def position(self) -> tuple[float, float]:
        """Where the node lies in the Node Graph, in its units."""
        return self._position

    @position.setter
    def position(self, position: tuple[float, float]) -> None:
        if position != self._position:
            self._position = position
            self._graph.notify(GraphEvent(Change.NODE_MOVED, self))

    @property
    def bypassed(self) -> bool:
        """Whether cooking passes this node over."""
        return self._bypassed

    @bypassed.setter
    def bypassed(self, bypassed: bool) -> None:
        if bypassed != self._bypassed:
            self._bypassed = bypassed
            self._graph.notify(GraphEvent(Change.BYPASSED, self))

    @property
    def specs(self) -> tuple[ParameterSpec, ...]:
        """What can be set on this node, in the order to show it."""
        return self.type.parameters

    def spec(self, name: str) -> ParameterSpec:
        """Return the parameter called `name`; raises GraphError when there is none."""
        try:
            return self._specs[name]
        except KeyError:
            raise GraphError(f"Node {self._name} ({self.type.name}) has no parameter {name!r}.") from None

    def value(self, name: str) -> Value:
        """Return the value of the parameter `name`; where it has an expression, the one of before that."""
        self.spec(name)
        return self._values[name]

    def set_value(self, name: str, value: object) -> None:
        """Set a parameter; raises ParameterError when it cannot hold `value`."""
        checked = self.spec(name).check(value)
        if checked != self._values[name]:
            self._values[name] = checked
            self._graph.notify(GraphEvent(Change.VALUE, self, name))
            for other, implied in self.spec(name).implies.get(str(checked), {}).items():
                if self._values[other] == self.spec(other).default:
                    self.set_value(other, implied)

    def expression(self, name: str) -> str:
        """Return the expression that the parameter `name` has in place of its value, or an empty string."""
        self.spec(name)
        return self._expressions.get(name, "")

    def set_expression(self, name: str, expression: str) -> None:
        """Give a parameter an expression; an empty one leaves it with its value. See expressions.py."""
        if expression != self.expression(name):
            if expression:
                self._expressions[name] = expression
            else:
                del self._expressions[name]
            self._graph.notify(GraphEvent(Change.VALUE, self, name))

    @property
    def input_names(self) -> tuple[str, ...]:
        """The input ports. A node that takes any number of inputs always shows one free port."""
        if not self.type.any_inputs:
            return self.type.inputs
        used = [int(port[1:]) for port in self._sources]
        return tuple(f"i{index}" for index in range(max([1, *(index + 1 for index in used)]) + 1))

    def source(self, port: str) -> Node | None:
        """Return the node connected to the input `port`, if any."""
        return self._sources.get(port)

    @property
    def sources(self) -> dict[str, Node]:
        """The connected inputs, by port."""
        return {port: self._sources[port] for port in self.input_names if port in self._sources}

    def upstream(self) -> Iterator[Node]:
        """Yield this node and all that it draws from, each once, nearest first."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            node = waiting.pop(0)
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                waiting.extend(node.sources.values())


class Graph:
    """All nodes of a project. Not thread-safe: it belongs to the thread that shows it."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Call `observer` with every later change, on the thread that makes it."""
        self._observers.append(observer)

    def ignore(self, observer: Observer) -> None:
        """Stop calling `observer`."""
        self._observers.remove(observer)

    def notify(self, event: GraphEvent) -> None:
        """Call the observers with a change."""
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
        """Return the node called `name`; raises GraphError naming what there is instead."""
        node = self._nodes.get(name)
        if node is None:
            known = ", ".join(self._nodes) or "none"
            raise GraphError(f"There is no node called {name!r} in this project; its nodes are: {known}.")
        return node

    def create(self, node_type: NodeType, name: str = "", position: tuple[float, float] = (0.0, 0.0)) -> Node:
        """Add a node; its name is made unique, and is the type's where none is given."""
        node = Node(self, node_type, self._unique(name or node_type.name), position)
        self._nodes[node.name] = node
        self.notify(GraphEvent(Change.NODE_ADDED, node))
        return node

    def consumers(self, node: Node) -> list[tuple[Node, str]]:
        """Return the nodes that `node` feeds, each with its port."""
        return [
            (other, port) for other in self.nodes for port, source in other.sources.items() if source is node
        ]

    def remove(self, node: Node, reconnect: bool = False) -> None:
        """Remove `node` with its connections; with `reconnect`, its first source feeds what it fed."""
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

    def rename(self, node: Node, name: str) -> str:
        """Give `node` the name `name`, or the next free one like it, and return it."""
        if name == node.name:
            return name
        old, new = node.name, self._unique(name, node.name)
        if new == old:
            return old
        self._nodes = {(new if key == old else key): value for key, value in self._nodes.items()}
        node._name = new
        self.notify(GraphEvent(Change.NODE_RENAMED, node, old))
        return new

    def connect(self, source: Node, target: Node, port: str = "") -> str:
        """Feed `source` into an input of `target` (its first free one by default) and return the port's name.

        Raises GraphError when the port does not exist or the connection would close a circle.
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
            raise GraphError(f"Connecting {source.name} to {target.name} would close a circle.")
        if target.source(port) is not source:
            target._sources[port] = source
            self.notify(GraphEvent(Change.CONNECTION, target, port))
        return port

    def arrange(self, names: list[str]) -> None:
        """List the nodes in this order from now on."""
        self._nodes = {name: self._nodes[name] for name in names}

    def insert(self, node: Node, target: Node, port: str) -> None:
        """Put an unconnected `node` between the input `port` of `target` and what feeds it.

        Raises GraphError where nothing feeds the port, or `node` has connections or no input.
        """
        source = target.source(port)
        if source is None:
            raise GraphError(f"Nothing is connected to {port!r} of {target.name}.")
        if not node.input_names or node.sources or self.consumers(node):
            raise GraphError(f"Node {node.name} cannot be inserted: it has connections, or no input.")
        self.connect(source, node)
        self.connect(node, target, port)

    def disconnect(self, target: Node, port: str) -> None:
        """Take away what feeds the input `port` of `target`; nothing happens where nothing does."""
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
