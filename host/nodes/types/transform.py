"""Transform: translates, rotates and scales prims that match a path pattern, on top of their transforms."""

from __future__ import annotations

from typing import Any

from pxr import Gf, UsdGeom

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec
from ..placement import matching_prims


def _cook(context: CookContext) -> None:
    prims = matching_prims(context, context.text("apply_to"), UsdGeom.Xformable)
    if not prims:
        context.warn(f"its pattern {context.text('apply_to')} matches nothing that can be moved.")
    # Two Transform nodes may act on one prim: the node's name keeps their operations apart.
    for prim in prims:
        xformable = UsdGeom.Xformable(prim)
        before = xformable.GetOrderedXformOps()
        suffix = _free_suffix(prim, context.node.name)
        resets = xformable.GetResetXformStack()
        translate = xformable.AddTranslateOp(opSuffix=suffix)
        translate.Set(Gf.Vec3d(*context.vector("translate")))
        rotate = xformable.AddRotateXYZOp(opSuffix=suffix)
        rotate.Set(Gf.Vec3f(*context.vector("rotate")))
        scale = xformable.AddScaleOp(opSuffix=suffix)
        scale.Set(Gf.Vec3f(*context.vector("scale")))
        xformable.SetXformOpOrder([translate, rotate, scale, *before], resets)


def _free_suffix(prim: Any, name: str) -> str:
    """Return `name`, numbered where the prim has operations of that name, as those of an exported scene."""
    number, suffix = 1, name
    while any(prim.HasAttribute(f"xformOp:{kind}:{suffix}") for kind in ("translate", "rotateXYZ", "scale")):
        number, suffix = number + 1, f"{name}_{number}"
    return suffix


TRANSFORM = NodeType(
    name="Transform",
    description="Moves, turns and scales what a path pattern means.",
    category="Edit",
    color=(84, 92, 120),
    parameters=(
        ParameterSpec(
            "apply_to",
            Kind.PATTERN,
            "/World",
            "Apply To",
            "Scene paths: * is one level, ** any number. What lies beneath moves along.",
        ),
        ParameterSpec("translate", Kind.VECTOR, (0.0, 0.0, 0.0), "Translate"),
        ParameterSpec("rotate", Kind.VECTOR, (0.0, 0.0, 0.0), "Rotate", "Degrees.", step=1.0),
        ParameterSpec("scale", Kind.VECTOR, (1.0, 1.0, 1.0), "Scale"),
    ),
    cook=_cook,
)
