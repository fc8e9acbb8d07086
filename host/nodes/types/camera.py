"""Camera: adds a camera to the scene."""

from __future__ import annotations

from typing import Any

from pxr import Gf, UsdGeom

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec
from ..placement import look_at, overrides_prim, place, scene_path, warn_of_replaced


def _cook(context: CookContext) -> None:
    path = scene_path(context, "path", f"/cameras/{context.node.name}")
    overrides = overrides_prim(context, path, lambda prim: prim.IsA(UsdGeom.Camera))
    warn_of_replaced(context, path, lambda prim: prim.IsA(UsdGeom.Camera))

    def writes(*names: str) -> bool:
        return not overrides or context.differs(*names)

    camera = (
        UsdGeom.Camera(context.stage.OverridePrim(path))
        if overrides
        else UsdGeom.Camera.Define(context.stage, path)
    )
    if writes("position", "aim", "target", "rotate"):
        camera.ClearXformOpOrder()
        _place(context, camera.GetPrim())
    if writes("focal_length"):
        camera.CreateFocalLengthAttr(context.number("focal_length"))
    if writes("horizontal_aperture"):
        camera.CreateHorizontalApertureAttr(context.number("horizontal_aperture"))
    if writes("vertical_aperture"):
        camera.CreateVerticalApertureAttr(context.number("vertical_aperture"))
    if writes("f_stop"):
        camera.CreateFStopAttr(context.number("f_stop"))
    if writes("focus_distance"):
        camera.CreateFocusDistanceAttr(context.number("focus_distance"))
    near, far = context.number("near"), context.number("far")
    if near >= far:
        raise context.error(f"has its near clipping distance ({near:g}) beyond its far one ({far:g}).")
    if writes("near", "far"):
        camera.CreateClippingRangeAttr(Gf.Vec2f(near, far))


def _place(context: CookContext, prim: Any) -> None:
    position = context.vector("position")
    if context.text("aim") == "target":
        axis = UsdGeom.GetStageUpAxis(context.stage)
        if not look_at(prim, position, context.vector("target"), axis):
            raise context.error("has its Target at its Position: move one of them.")
    else:
        place(prim, position, context.vector("rotate"))


CAMERA = NodeType(
    name="Camera",
    description="Adds a camera.",
    category="Scene",
    color=(70, 97, 122),
    needs_input=False,
    parameters=(
        ParameterSpec(
            "path",
            Kind.STRING,
            "",
            "Path",
            "Scene path; empty: /cameras/ and the node's name. "
            "Of a camera above this node: only what differs from this node's defaults changes.",
        ),
        ParameterSpec("position", Kind.VECTOR, (0.0, 2.0, 10.0), "Position", step=0.1),
        ParameterSpec("aim", Kind.CHOICE, "target", "Aim", choices=("target", "rotation")),
        ParameterSpec("target", Kind.VECTOR, (0.0, 0.0, 0.0), "Target", shown_when=("aim", ("target",))),
        ParameterSpec(
            "rotate", Kind.VECTOR, (0.0, 0.0, 0.0), "Rotate", shown_when=("aim", ("rotation",)), step=1.0
        ),
        ParameterSpec("focal_length", Kind.NUMBER, 35.0, "Focal Length", "mm", "Lens", 1.0, 2000.0),
        ParameterSpec(
            "horizontal_aperture", Kind.NUMBER, 36.0, "Horizontal Aperture", "mm", "Lens", 0.1, 500.0
        ),
        ParameterSpec("vertical_aperture", Kind.NUMBER, 20.25, "Vertical Aperture", "mm", "Lens", 0.1, 500.0),
        ParameterSpec("f_stop", Kind.NUMBER, 0.0, "F-Stop", "0: everything is sharp.", "Focus", 0.0, 128.0),
        ParameterSpec("focus_distance", Kind.NUMBER, 10.0, "Focus Distance", "Scene units.", "Focus", 0.0),
        ParameterSpec("near", Kind.NUMBER, 0.1, "Near", "Scene units.", "Clipping", 1e-6),
        ParameterSpec("far", Kind.NUMBER, 100000.0, "Far", "Scene units.", "Clipping", 1e-6),
    ),
    cook=_cook,
)
