"""Path patterns that select prims, and transforms that place them.

Shared by the node types that write transforms or choose prims.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pxr import Gf, Sdf, Usd, UsdGeom

from .node_type import CookContext
from .parameters import Vector3


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Return the regular expression for the scene paths that match `pattern`.

    `*` matches any name or part of one, `**` (or `//`) for any number of levels, `?` for one letter.
    """
    pattern = pattern.strip().replace("//", "/**/")
    out = ""
    index = 0
    while index < len(pattern):
        if pattern.startswith("/**/", index):
            out += "/(?:[^/]+/)*"
            index += 4
        elif pattern.startswith("**", index):
            out += ".*"
            index += 2
        else:
            character = pattern[index]
            out += {"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character))
            index += 1
    return re.compile(out)


def matching_prims(context: CookContext, pattern: str, schema: Any = None) -> list[Any]:
    """Return the outermost prims that match `pattern` and, where given, are of the type `schema`.

    Prims beneath a match are left out: what is set on a parent reaches them.
    """
    if not pattern:
        raise context.error("has an empty path pattern: write for instance /World/** or /World/Table*.")
    if not set("*?").intersection(pattern) and "//" not in pattern:
        return _prims_at(context.stage, pattern.split(), schema)
    patterns = [pattern_regex(part) for part in pattern.split()]
    found: list[Any] = []
    iterator = iter(Usd.PrimRange.Stage(context.stage))
    for prim in iterator:
        path = prim.GetPath().pathString
        if any(regex.fullmatch(path) for regex in patterns) and (schema is None or prim.IsA(schema)):
            found.append(prim)
            iterator.PruneChildren()
    return found


def _prims_at(stage: Any, paths: list[str], schema: Any) -> list[Any]:
    """Return the prims at these paths without those beneath others: the scene need not be searched."""
    prims = [stage.GetPrimAtPath(path) for path in paths if Sdf.Path.IsValidPathString(path)]
    shown = {
        prim.GetPath(): prim
        for prim in prims
        if prim
        and not (prim.IsPseudoRoot() or prim.IsInstanceProxy())
        and Usd.PrimDefaultPredicate(prim)
        and (schema is None or prim.IsA(schema))
    }
    return [shown[path] for path in Sdf.Path.RemoveDescendentPaths(list(shown))]


def scene_path(context: CookContext, name: str, default: str) -> str:
    """Return the scene path in the parameter `name`, or `default`; raises CookError when it is no path."""
    path = context.text(name) or default
    if not path.startswith("/") or path == "/" or not Sdf.Path.IsValidPathString(path):
        raise context.error(
            f"cannot be placed at '{path}': a scene path looks like /World/{context.node.name}."
        )
    return path


def warn_of_replaced(context: CookContext, path: str, is_kind: Callable[[Any], bool]) -> None:
    """Warn where the prim that the node is to make takes the place of another kind of prim."""
    prim = context.stage.GetPrimAtPath(path)
    if prim and prim.GetTypeName() and not is_kind(prim):
        context.warn(f"takes the place of {path}, which is a {prim.GetTypeName()}: choose another Path.")


def overrides_prim(context: CookContext, path: str, is_kind: Callable[[Any], bool]) -> bool:
    """Return whether the node's parameter `path` names a prim of its kind that its inputs have already.

    Never with an empty `path`: a new node whose name happens to be in a file is to add a light or camera.
    """
    prim = context.stage.GetPrimAtPath(path)
    return bool(context.text("path") and prim and is_kind(prim))


def place(prim: Any, translate: Vector3, rotate: Vector3, scale: Vector3 = (1.0, 1.0, 1.0)) -> None:
    """Give a prim that has no transform yet a translation, a rotation (degrees, x y z) and a scale."""
    api = UsdGeom.XformCommonAPI(prim)
    api.SetTranslate(Gf.Vec3d(*translate))
    api.SetRotate(Gf.Vec3f(*rotate))
    if scale != (1.0, 1.0, 1.0):
        api.SetScale(Gf.Vec3f(*scale))


def look_at(prim: Any, position: Vector3, target: Vector3, up_axis: str) -> bool:
    """Place the prim at `position` and turn its -z towards `target`; False when both are the same place."""
    eye, centre = Gf.Vec3d(*position), Gf.Vec3d(*target)
    direction = centre - eye
    if direction.GetLength() < 1e-9:
        return False
    up = Gf.Vec3d(0, 0, 1) if up_axis == UsdGeom.Tokens.z else Gf.Vec3d(0, 1, 0)
    if abs(Gf.Dot(direction.GetNormalized(), up)) > 0.9999:
        up = Gf.Vec3d(0, 1, 0) if up_axis == UsdGeom.Tokens.z else Gf.Vec3d(0, 0, 1)
    matrix = Gf.Matrix4d(1).SetLookAt(eye, centre, up).GetInverse()
    UsdGeom.Xformable(prim).MakeMatrixXform().Set(matrix)
    return True


def clear_place(prim: Any, frame: float, suffix: str) -> list[Any]:
    """Clear the prim's transform; returns the scales it had, as operations for `scale_again`.

    Args:
        prim: what is going to be placed anew.
        frame: when a matrix is read for its scale.
        suffix: name of the operation that is made for the scale of a matrix.
    """
    xformable = UsdGeom.Xformable(prim)
    scales = []
    for op in xformable.GetOrderedXformOps():
        if op.GetOpType() in _SCALES:
            scales.append(op)
        elif op.GetOpType() == UsdGeom.XformOp.TypeTransform:
            scale = Gf.Transform(op.GetOpTransform(frame)).GetScale()
            if not Gf.IsClose(scale, Gf.Vec3d(1), 1e-6):
                made = xformable.AddScaleOp(UsdGeom.XformOp.PrecisionDouble, f"{suffix}{len(scales)}")
                made.Set(scale)
                scales.append(made)
    xformable.ClearXformOpOrder()
    return scales


def scale_again(prim: Any, scales: list[Any]) -> None:
    """Add the operations of `clear_place` to a prim that was placed since."""
    xformable = UsdGeom.Xformable(prim)
    if scales:
        xformable.SetXformOpOrder([*xformable.GetOrderedXformOps(), *scales])


_SCALES = frozenset(
    (
        UsdGeom.XformOp.TypeScale,
        UsdGeom.XformOp.TypeScaleX,
        UsdGeom.XformOp.TypeScaleY,
        UsdGeom.XformOp.TypeScaleZ,
    )
)
