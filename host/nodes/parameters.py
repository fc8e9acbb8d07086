"""Parameters: their specifications, kinds, value checks and representation in project files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from .errors import ParameterError

Vector3: TypeAlias = tuple[float, float, float]
Value: TypeAlias = bool | int | float | str | Vector3


class Kind(Enum):
    """The kind of a parameter's value, which also selects its editor."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    CHOICE = "choice"
    FILE = "file"
    """A path on disk, absolute in memory."""
    CAMERA = "camera"
    """The path of a camera in the incoming scene, or nothing."""
    PATTERN = "pattern"
    """Scene paths with `*` for one level and `**` for any number of levels."""
    COLOR = "color"
    """Linear red, green and blue."""
    VECTOR = "vector"
    """x, y and z."""


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter that a node type offers.

    `minimum` and `maximum` bound numbers; `choices` lists what a choice may be; `page` groups parameters
    under a heading; `shown_when` names a choice parameter and the values at which this one matters. `step` is
    what an arrow adds; 0 lets it grow with the number. `implies` is for choices: parameters that are still at
    their default get these values when the choice is made. `is_written` is for files that need not exist.
    """

    name: str
    kind: Kind
    default: Value
    label: str
    hint: str = ""
    page: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    file_filter: str = ""
    is_written: bool = False
    shown_when: tuple[str, tuple[str, ...]] | None = None
    step: float = 0.0
    implies: Mapping[str, Mapping[str, Value]] = field(default_factory=dict, hash=False)

    def check(self, value: object) -> Value:
        """Return `value` converted to the parameter's kind; raises ParameterError where it is invalid."""
        try:
            checked = self._of_kind(value)
            if isinstance(checked, int):
                float(checked)
        except OverflowError:
            raise ParameterError(f"{self.label} takes no number of that size.") from None
        if isinstance(checked, int | float) and not isinstance(checked, bool):
            if not math.isfinite(checked):
                raise ParameterError(f"{self.label} must be a finite number, and is {checked}.")
            if not self.minimum <= checked <= self.maximum:
                raise ParameterError(f"{self.label} must be {self._range()}, and is {checked:.12g}.")
        return checked

    def _of_kind(self, value: object) -> Value:
        match self.kind:
            case Kind.BOOLEAN:
                if isinstance(value, bool):
                    return value
                if value in (0, 1):
                    return bool(value)
            case Kind.INTEGER:
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
                if isinstance(value, float) and value.is_integer():
                    return int(value)
            case Kind.NUMBER:
                if isinstance(value, int | float) and not isinstance(value, bool):
                    return float(value)
            case Kind.CHOICE:
                if value in self.choices:
                    return str(value)
                raise ParameterError(f"{self.label} must be one of {', '.join(self.choices)}, not {value!r}.")
            case Kind.COLOR | Kind.VECTOR:
                return self._vector(value)
            case Kind.STRING | Kind.FILE | Kind.CAMERA | Kind.PATTERN:
                if isinstance(value, str):
                    return value
        article = "an" if self.kind is Kind.INTEGER else "a"
        raise ParameterError(f"{self.label} takes {article} {self.kind.value}, not {value!r}.")

    def _vector(self, value: object) -> Vector3:
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3:
            numbers = [float(part) for part in value if isinstance(part, int | float)]
            if len(numbers) == 3 and all(math.isfinite(number) for number in numbers):
                return numbers[0], numbers[1], numbers[2]
        raise ParameterError(f"{self.label} takes three numbers, not {value!r}.")

    def _range(self) -> str:
        if math.isinf(self.maximum):
            return f"{self.minimum:.12g} or more"
        if math.isinf(self.minimum):
            return f"{self.maximum:.12g} or less"
        return f"between {self.minimum:.12g} and {self.maximum:.12g}"


def stored(value: Value) -> object:
    """Return `value` as JSON in a project file: a vector becomes a list."""
    return list(value) if isinstance(value, tuple) else value
