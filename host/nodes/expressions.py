"""Expressions: values that are computed from graph state variables, the frame, and other parameters.

A small part of Python's expressions, evaluated here and not by Python: a project may come from anyone.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ExpressionError, ParameterError
from .graph import Graph, Node
from .parameters import Value

MAX_LETTERS = 1000
"""Maximum length of an expression, in characters."""
_MAX_TEXT = 10_000
"""Maximum length of a string result, in characters."""

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_PLAIN: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "float": float,
    "int": int,
    "max": max,
    "min": min,
    "round": round,
    "str": str,
}
_KNOWN = "getVar(), getParam(), frame, numbers, texts, and arithmetic"


def check(expression: str) -> None:
    """Raise ExpressionError where `expression` is not a valid expression. Does not evaluate it."""
    _parsed(expression)


class Evaluator:
    """Evaluates the parameters of a graph at one frame, each once: the graph must not change meanwhile."""

    def __init__(self, graph: Graph, frame: float) -> None:
        self._graph = graph
        self._frame = frame
        self._under_way: list[tuple[str, str]] = []
        """The (node, parameter) pairs in evaluation, outermost first, to detect cycles."""
        self._values: dict[tuple[str, str, tuple[tuple[str, str], ...]], Value] = {}
        """By node, parameter and variables: expressions that read each other would multiply the work."""

    def value(self, node: Node, name: str, variables: Mapping[str, str]) -> Value:
        """Return the value of the parameter `name` of `node` with the given graph state variables.

        Raises:
            ExpressionError: its expression cannot be evaluated, or depends on itself.
        """
        expression = node.expression(name)
        if not expression:
            return node.value(name)
        place = (node.name, name)
        shown = f"{node.name}.{name} = {expression}"
        if place in self._under_way:
            chain = [*self._under_way[self._under_way.index(place) :], place]
            loop = " → ".join(".".join(each) for each in chain)
            raise ExpressionError(f"These expressions need each other's values: {loop}.")
        known = (*place, tuple(sorted(variables.items())))
        if known in self._values:
            return self._values[known]
        self._under_way.append(place)
        try:
            found = _Walk(self, variables).value(_parsed(expression))
            value = self._values[known] = node.spec(name).check(_fitting(found, node.value(name)))
            return value
        except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
            raise ExpressionError(f"{shown} cannot be evaluated: {error}.") from error
        except ParameterError as error:
            raise ExpressionError(f"{shown}: {error}") from error
        finally:
            self._under_way.pop()

    def parameter(self, path: str, variables: Mapping[str, str]) -> Value:
        """Return the value of the parameter at the path `Node.parameter`. Raises ExpressionError."""
        node_name, dot, name = path.partition(".")
        node = self._graph.find(node_name)
        if not dot or node is None or all(spec.name != name for spec in node.specs):
            raise ExpressionError(f"getParam('{path}') names no parameter: write 'Node.parameter'.")
        return self.value(node, name, variables)

    @property
    def frame(self) -> float:
        """The frame, as an int where it is a whole number."""
        return int(self._frame) if self._frame == int(self._frame) else self._frame


class _Walk:
    """Evaluates the syntax tree of one expression."""

    def __init__(self, evaluator: Evaluator, variables: Mapping[str, str]) -> None:
        self._evaluator = evaluator
        self._variables = variables

    def value(self, tree: ast.AST) -> Any:
        match tree:
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return constant
            case ast.Name(id="frame"):
                return self._evaluator.frame
            case ast.Tuple(elts=parts):
                return tuple(self.value(part) for part in parts)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                return _limited(sign, self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _OPERATORS:
                return _OPERATORS[type(sign)](self.value(left), self.value(right))
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self.value(test) else other)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, [self.value(argument) for argument in arguments])
        raise ExpressionError(f"“{ast.unparse(tree)}” is not understood; an expression may hold {_KNOWN}.")

    def _call(self, name: str, arguments: list[Any]) -> Any:
        match name, arguments:
            case "getVar", [str() as variable]:
                if variable in self._variables:
                    return self._variables[variable]
                known = ", ".join(self._variables) or "none"
                raise ExpressionError(f"There is no variable '{variable}' here; there are: {known}.")
            case "getVar", [str() as variable, default]:
                return self._variables.get(variable, default)
            case "getParam", [str() as path]:
                return self._evaluator.parameter(path, self._variables)
        if name in _PLAIN:
            return _PLAIN[name](*arguments)
        raise ExpressionError(f"There is no function {name}(); an expression may hold {_KNOWN}.")


def _limited(sign: ast.operator, left: Any, right: Any) -> Any:
    """Return the result of the operation. Raises TypeError or ValueError for text other than a short sum."""
    texts = [each for each in (left, right) if not isinstance(each, int | float)]
    if texts and not isinstance(sign, ast.Add):
        raise TypeError("texts can only be joined, with +")
    found = _OPERATORS[type(sign)](left, right)
    if isinstance(found, str) and len(found) > _MAX_TEXT:
        raise ValueError(f"its text has more than {_MAX_TEXT:,} characters")
    return found


def _fitting(found: Any, constant: Value) -> Any:
    """Return the result `found` converted to the type of `constant`, such as text to a number."""
    if isinstance(constant, str):
        return (
            found if isinstance(found, str) else f"{found:.12g}" if isinstance(found, float) else str(found)
        )
    if isinstance(found, str) and isinstance(constant, int | float):
        return float(found)
    return found


def _parsed(expression: str) -> ast.AST:
    if len(expression) > MAX_LETTERS:
        raise ExpressionError(f"The expression has more than {MAX_LETTERS:,} characters: shorten it.")
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ExpressionError(f"“{expression}” is not an expression: {text}.") from error
