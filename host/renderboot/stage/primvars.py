"""Reads a prim's primvars: its own, inherited ones, and those of enclosing point instances.

What they are used for is decided by the callers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from pxr import Usd, UsdGeom

from ..scene import Array
from .mesh_parts import Values
from .values import ARRAYS

InstanceValues = tuple[tuple[str, tuple[float, ...]], ...]
"""Primvar names and values that one instance of a PointInstancer passes to its prototype."""


class PrimvarReader:
    """Reads primvars at one frame, and records which names were looked up beyond the prim itself."""

    def __init__(self, time: Usd.TimeCode) -> None:
        self._time = time
        self._given: list[InstanceValues] = []
        self.inherited_names: set[str] = set()
        """Names that were looked up and that the prim itself does not have."""

    @property
    def given(self) -> tuple[InstanceValues, ...]:
        """Primvars of the enclosing point instances, the outermost first."""
        return tuple(self._given)

    @contextmanager
    def instance(self, values: InstanceValues) -> Iterator[None]:
        """Within the `with` block, all prims inherit the primvars of this point instance."""
        self._given.append(values)
        try:
            yield
        finally:
            self._given.pop()

    def values(self, prim: Usd.Prim, name: str, width: int) -> Values | None:
        """A primvar of numbers; None when the prim neither has nor inherits it.

        Args:
            prim: The prim, an instance proxy too.
            name: Without `primvars:`.
            width: How many numbers of each value are used.
        """
        api = UsdGeom.PrimvarsAPI(prim)
        own = api.GetPrimvar(name)
        if not (own and own.HasAuthoredValue()):
            self.inherited_names.add(name)
            for given in reversed(self._given):
                found = dict(given).get(name)
                if found is not None:
                    return Values(name, np.array([found], np.float32), None, "constant", width)
        primvar = api.FindPrimvarWithInheritance(name)
        if not primvar or not primvar.HasValue():
            return None
        value = primvar.Get(self._time)
        array = _array(value)
        if array is None or not len(array):
            return None
        if not isinstance(value, ARRAYS):
            # One value for the whole prim, which may be written without brackets.
            return Values(name, array.reshape(1, -1), None, "constant", width)
        indices = primvar.GetIndices(self._time) if primvar.IsIndexed() else None
        interpolation = str(primvar.GetInterpolation())
        return Values(name, array, np.asarray(indices) if indices else None, interpolation, width)

    def constant(self, prim: Usd.Prim, name: str, width: int) -> tuple[float, ...] | None:
        """The primvar's one value, when it has only one; None when it varies or is absent."""
        values = self.values(prim, name, width)
        if values is None:
            return None
        array = values.array
        if values.indices is not None:
            if len(values.indices) != 1 and values.interpolation != "constant":
                return None
            index = int(values.indices[0]) if len(values.indices) else 0
            if not 0 <= index < len(array):
                return None
            array = array[index : index + 1]
        if len(array) != 1 and values.interpolation != "constant":
            return None
        return padded(array[0], width)

    def inherited(self, prim: Usd.Prim, names: set[str]) -> tuple[tuple[str, str], ...]:
        """What of these names the prim hands down, as text: equal where the values are."""
        found = []
        for primvar in UsdGeom.PrimvarsAPI(prim).FindPrimvarsWithInheritance():
            name = str(primvar.GetPrimvarName())
            if name in names and primvar.HasValue():
                indices = primvar.GetIndices(self._time) if primvar.IsIndexed() else None
                found.append((name, f"{primvar.Get(self._time)} {indices} {primvar.GetInterpolation()}"))
        return tuple(sorted(found))


def padded(value: Array, width: int) -> tuple[float, ...] | None:
    """The first `width` numbers of a value; None when there are fewer."""
    numbers = np.atleast_1d(value).reshape(-1)
    if len(numbers) < width or not np.isfinite(numbers[:width]).all():
        return None
    return tuple(float(number) for number in numbers[:width])


def _array(value: object) -> Array | None:
    """Numbers, a row a value; None for what is not numbers."""
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        return None
    if array.ndim == 0:
        return array.reshape(1, 1)
    return array
