"""RenderSettings and Render: how large and how well a picture is made, and where it is written.

The settings are authored as a UsdRender.Settings prim; readers of the stage find all of them there.
"""

from __future__ import annotations

from pxr import Gf, Sdf, UsdGeom, UsdRender

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec

SETTINGS_PATH = "/Render/Settings"
SAMPLES = "katana:samples"
DENOISE = "katana:denoise"


def _cook_settings(context: CookContext) -> None:
    settings = UsdRender.Settings.Define(context.stage, SETTINGS_PATH)
    settings.CreateResolutionAttr(Gf.Vec2i(context.integer("width"), context.integer("height")))
    settings.GetPrim().CreateAttribute(SAMPLES, Sdf.ValueTypeNames.Int).Set(context.integer("samples"))
    settings.GetPrim().CreateAttribute(DENOISE, Sdf.ValueTypeNames.Token).Set(context.text("denoise"))
    camera = context.text("camera")
    if camera:
        if not camera.startswith("/") or not Sdf.Path.IsValidPathString(camera):
            raise context.error(f"names a camera '{camera}', which is not a path such as /cameras/main.")
        prim = context.stage.GetPrimAtPath(camera)
        if not prim:
            raise context.error(f"names the camera {camera}, which is not in the scene.")
        if not prim.IsA(UsdGeom.Camera):
            raise context.error(
                f"names {camera} as the camera, and that is a {prim.GetTypeName() or 'prim'}."
            )
        settings.CreateCameraRel().SetTargets([camera])
    context.layer.pseudoRoot.SetInfo("renderSettingsPrimPath", SETTINGS_PATH)


RENDER_SETTINGS = NodeType(
    name="RenderSettings",
    description="Sets camera, resolution and quality.",
    category="Render",
    color=(120, 82, 60),
    parameters=(
        ParameterSpec(
            "camera", Kind.CAMERA, "", "Camera", "Empty: the scene's first, or one that frames it."
        ),
        ParameterSpec("width", Kind.INTEGER, 640, "Width", "Pixels.", "Resolution", 1, 16384),
        ParameterSpec("height", Kind.INTEGER, 360, "Height", "Pixels.", "Resolution", 1, 16384),
        ParameterSpec("samples", Kind.INTEGER, 32, "Samples", "Per pixel.", "Quality", 1, 65536),
        ParameterSpec(
            "denoise",
            Kind.CHOICE,
            "previews",
            "Denoise",
            "previews: all but Disk Renders. Of mitsuba alone.",
            "Quality",
            choices=("previews", "always", "never"),
        ),
    ),
    cook=_cook_settings,
)


def _cook_render(context: CookContext) -> None:
    """Do nothing: a Render node marks where to render and does not change the scene."""
    del context


RENDER = NodeType(
    name="Render",
    description="Where a picture is made, and where Disk Render writes it.",
    category="Render",
    color=(140, 62, 54),
    is_render_node=True,
    parameters=(
        ParameterSpec(
            "renderer",
            Kind.CHOICE,
            "mitsuba",
            "Renderer",
            "cycles must be installed: ./start --install-cycles.",
            choices=("mitsuba", "cycles"),
        ),
        ParameterSpec(
            "output",
            Kind.FILE,
            "",
            "Output",
            "What Disk Render writes; each # is a digit of the frame.",
            file_filter="Images (*.png *.exr);;All files (*)",
            is_written=True,
        ),
        ParameterSpec(
            "farmOptions",
            Kind.STRING,
            "",
            "Farm Options",
            "What its jobs ask of a farm, such as partition=render,memory=8G.",
        ),
    ),
    cook=_cook_render,
)
