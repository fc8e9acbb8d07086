"""Graph state variables: a project's variables, and resolving a graph for given values of them.

Values propagate upstream from the rendered node: a VariableSet node sets one for all nodes upstream of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .errors import CookError, ProjectError
from .expressions import Evaluator
from .graph import Graph, Node

SET, SWITCH, DELETE = "VariableSet", "VariableSwitch", "VariableDelete"

MAX_LETTERS = 1000
"""Maximum length of a variable's value, in characters."""
MAX_NODES = 20_000
"""Maximum size of a resolved graph; a node counts once for each set of values that reaches it."""

_State = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Variable:
    """One variable of a project."""

    name: str
    value: str
    options: tuple[str, ...] = ()
    """Its possible values, for menus and *Start Multiple Renders*."""
    enabled: bool = True

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ProjectError(
                f"“{self.name}” is not a valid variable name: use letters, digits and _, as in shot."
            )
        if any(len(text) > MAX_LETTERS for text in (self.value, *self.options)):
            raise ProjectError(
                f"A value of {self.name} has more than {MAX_LETTERS:,} characters: shorten it."
            )


def values_of(variables: Sequence[Variable]) -> dict[str, str]:
    """Return the values of the enabled variables by name."""
    return {variable.name: variable.value for variable in variables if variable.enabled}


def resolve(graph: Graph, name: str, frame: float, variables: Mapping[str, str]) -> Graph:
    """Return the graph upstream of the node `name` for these values of the variables, without variables.

    Expressions are replaced by their values, switches keep the selected input only, and a node reached with
    different values of a variable is duplicated for each.

    Raises:
        GraphError: there is no such node.
        ExpressionError: a value cannot be computed.
        CookError: the nodes are reached with too many different values of variables.
    """
    last = graph.node(name)
    if not any(_depends(node) for node in last.upstream()):
        return graph
    return _Resolving(graph, frame).resolve(last, tuple(sorted(variables.items())))


def _depends(node: Node) -> bool:
    return node.type.name in (SET, SWITCH, DELETE) or any(node.expression(spec.name) for spec in node.specs)


class _Resolving:
    def __init__(self, graph: Graph, frame: float) -> None:
        self._evaluator = Evaluator(graph, frame)
        self._made: dict[tuple[str, _State], Node] = {}
        self._graph = Graph()

    def resolve(self, last: Node, state: _State) -> Graph:
        """Return the resolved graph. Iterative: a chain of nodes may exceed Python's recursion limit."""
        order: list[tuple[Node, _State, dict[str, tuple[Node, _State]]]] = []
        seen: set[tuple[str, _State]] = set()
        waiting = [(last, state)]
        while waiting:
            node, state = waiting.pop()
            if (node.name, state) in seen:
                continue
            seen.add((node.name, state))
            if len(seen) > MAX_NODES:
                raise CookError(
                    f"The nodes above {last.name} are reached with too many different values of variables."
                )
            inputs = self._inputs(node, state)
            order.append((node, state, inputs))
            waiting.extend(inputs.values())
        # The first copy of each node has its name; further ones get names that no node of the graph has.
        first_states: dict[str, _State] = {}
        for node, state, _inputs in order:
            first_states.setdefault(node.name, state)
        for node, state, _inputs in sorted(order, key=lambda each: first_states[each[0].name] != each[1]):
            self._made[node.name, state] = self._copy(node, state)
        for node, state, inputs in order:
            for port, (source, source_state) in inputs.items():
                self._graph.connect(self._made[source.name, source_state], self._made[node.name, state], port)
        return self._graph

    def _inputs(self, node: Node, state: _State) -> dict[str, tuple[Node, _State]]:
        """Return the source of each input with the values of the variables upstream of the node."""
        sources = node.sources
        if node.bypassed and node.type.name == SWITCH:
            sources = dict(list(sources.items())[:1])
        elif not node.bypassed and node.type.name == SWITCH:
            sources = self._chosen(node, state)
        elif not node.bypassed and node.type.name in (SET, DELETE):
            variables = dict(state)
            name = self._text(node, "variableName", state)
            variables.pop(name, None)
            if node.type.name == SET and name:
                variables[name] = self._text(node, "variableValue", state)
            state = tuple(sorted(variables.items()))
        return {port: (source, state) for port, source in sources.items()}

    def _chosen(self, node: Node, state: _State) -> dict[str, Node]:
        """Return the leftmost input whose pattern matches the variable's value, else the leftmost of all.

        As in Katana: an input without a pattern is matched by its port's name.
        """
        value = dict(state).get(self._text(node, "variableName", state), "")
        texts = [part.strip() for part in self._text(node, "patterns", state).split(",")]
        patterns = dict(zip(node.input_names, texts, strict=False))
        for port, source in node.sources.items():
            pattern = patterns.get(port)
            if fnmatchcase(value, pattern) if pattern else value == port:
                return {port: source}
        return dict(list(node.sources.items())[:1])

    def _text(self, node: Node, name: str, state: _State) -> str:
        return str(self._evaluator.value(node, name, dict(state))).strip()

    def _copy(self, node: Node, state: _State) -> Node:
        copy = self._graph.create(node.type, node.name, node.position)
        copy.bypassed = node.bypassed
        variables = dict(state)
        for spec in node.specs:
            copy.set_value(spec.name, self._evaluator.value(node, spec.name, variables))
        return copy
