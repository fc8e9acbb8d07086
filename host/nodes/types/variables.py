"""VariableSet, VariableSwitch, VariableDelete: the variables of the nodes above. See nodes/variables.py."""

from __future__ import annotations

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec

_COLOR = (96, 78, 122)
_NAME = ParameterSpec("variableName", Kind.STRING, "", "Variable", "The name of a graph state variable.")


def _cook(context: CookContext) -> None:
    """Do nothing: variables are resolved before cooking."""
    del context


VARIABLE_SET = NodeType(
    name="VariableSet",
    description="Sets a graph state variable for all nodes above it.",
    category="Variables",
    color=_COLOR,
    parameters=(_NAME, ParameterSpec("variableValue", Kind.STRING, "", "Value")),
    cook=_cook,
)

VARIABLE_SWITCH = NodeType(
    name="VariableSwitch",
    description="Takes the input whose pattern matches a graph state variable.",
    category="Variables",
    color=_COLOR,
    inputs=(),
    any_inputs=True,
    parameters=(
        _NAME,
        ParameterSpec(
            "patterns",
            Kind.STRING,
            "",
            "Patterns",
            "One for each input, separated by commas: sh010, sh02*. The leftmost input that matches is "
            "taken, else the leftmost; an input without a pattern matches its port's name.",
        ),
    ),
    cook=_cook,
)

VARIABLE_DELETE = NodeType(
    name="VariableDelete",
    description="Takes a graph state variable away for all nodes above it.",
    category="Variables",
    color=_COLOR,
    parameters=(_NAME,),
    cook=_cook,
)
