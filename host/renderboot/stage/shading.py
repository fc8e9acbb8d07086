"""Values and connections of shader inputs, through node graphs and material interfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
from pxr import Usd, UsdShade


def source_of(shader: UsdShade.Shader, name: str) -> tuple[UsdShade.Shader, str] | None:
    """The shader and output that feed an input; None for a plain value."""
    shader_input = shader.GetInput(name)
    if not shader_input:
        return None
    for attribute in shader_input.GetValueProducingAttributes():
        base, kind = UsdShade.Utils.GetBaseNameAndType(attribute.GetName())
        if kind == UsdShade.AttributeType.Output:
            source = UsdShade.Shader(attribute.GetPrim())
            if source:
                return source, str(base)
    return None


def value_of(shader: UsdShade.Shader, name: str, time: Usd.TimeCode) -> Any:
    """The input's value at the frame; None when it has none."""
    attribute = attribute_of(shader, name)
    return attribute.Get(time) if attribute else None


def attribute_of(shader: UsdShade.Shader, name: str) -> Usd.Attribute | None:
    """Return the attribute that provides an input's value, which may be on the material."""
    shader_input = shader.GetInput(name)
    if not shader_input:
        return None
    return next(iter(shader_input.GetValueProducingAttributes()), None)


def is_animated(shader: UsdShade.Shader, *names: str) -> bool:
    """Whether one of the inputs has different values at different frames."""
    attributes = (attribute_of(shader, name) for name in names if name)
    return any(attribute and attribute.ValueMightBeTimeVarying() for attribute in attributes)


def numbers_of(value: Any, count: int) -> tuple[float, ...] | None:
    """Return the value as `count` finite numbers, a single one repeated; None for anything else."""
    if value is None or isinstance(value, str):
        return None
    try:
        numbers = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        return None
    if len(numbers) == 1:
        numbers = np.repeat(numbers, count)
    if len(numbers) < count or not np.isfinite(numbers[:count]).all():
        return None
    return tuple(float(number) for number in numbers[:count])
