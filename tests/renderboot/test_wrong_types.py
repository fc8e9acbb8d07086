"""Files whose attributes have other types than USD's schemas: each prim alone is skipped, and named."""

from __future__ import annotations

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdGeom

from host.renderboot.stage.not_rendered import RENDERED
from tests.renderboot.stages import add_camera, add_card, add_sphere, draw, places, read

WRONG = {
    "int[]": "[0, 4, 6]",
    "string": '"x"',
    "token[]": '["a", "b"]',
    "float": "inf",
    "double": "1e300",
    "bool": "true",
    "timecode": "1",
    "asset": "@a.png@",
    "color3f": "(nan, 1, 2)",
    "float2[]": "[(1, 2), (3, 4)]",
    "double3[]": "[(0, 0, 0), (1, 0, 0), (0, 1e300, 0)]",
    "matrix4d": "( (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1) )",
}
POINTS = {"points": "point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]"}
COUNTED = {"curveVertexCounts": "int[] curveVertexCounts = [4]", "widths": "float[] widths = [0.1]"}
WHOLE = {
    "Mesh": {
        **POINTS,
        "faceVertexCounts": "int[] faceVertexCounts = [4]",
        "faceVertexIndices": "int[] faceVertexIndices = [0, 1, 3, 2]",
    },
    "BasisCurves": POINTS | COUNTED,
    "HermiteCurves": POINTS | COUNTED,
    "NurbsCurves": {
        **POINTS,
        **COUNTED,
        "order": "int[] order = [4]",
        "knots": "double[] knots = [0, 0, 0, 0, 1, 1, 1, 1]",
    },
    "Points": POINTS,
    "NurbsPatch": {
        **POINTS,
        **{f"{each}VertexCount": f"int {each}VertexCount = 2" for each in "uv"},
        **{f"{each}Order": f"int {each}Order = 2" for each in "uv"},
        **{f"{each}Knots": f"double[] {each}Knots = [0, 0, 1, 1]" for each in "uv"},
    },
    "PointInstancer": {
        "positions": "point3f[] positions = [(0, 0, 0)]",
        "protoIndices": "int[] protoIndices = [0]",
        "prototypes": "rel prototypes = </World/Card>",
    },
}
"""What each kind needs to be rendered."""


@pytest.mark.parametrize("wrong", WRONG)
def test_no_attribute_of_another_type_ends_a_render(wrong: str) -> None:
    """Every attribute of every kind that is rendered, with such a value; the card is there all the same."""
    registry, lines = Usd.SchemaRegistry(), []
    for kind in sorted(RENDERED):
        definition = registry.FindConcretePrimDefinition(kind)
        if definition is None or kind == "RenderSettings":
            continue
        for name in sorted(RENDERED[kind] & set(definition.GetPropertyNames())):
            attribute = definition.GetAttributeDefinition(name)
            if not attribute:
                continue
            parts = [text for each, text in WHOLE.get(kind, {}).items() if each != name]
            uniform = "uniform " if attribute.GetVariability() == Sdf.VariabilityUniform else ""
            parts.append(f"{uniform}{wrong} {name} = {WRONG[wrong]}")
            number = len(lines)
            lines.append(f'def {kind} "P{number}" {{\n' + "\n".join(parts) + "\n}\n")
    stage = Usd.Stage.CreateInMemory()
    assert stage.GetRootLayer().ImportFromString("#usda 1.0\n" + "".join(lines))
    add_card(stage, "/World/Card")
    add_camera(stage, "/Camera")
    scene, said = read(stage, camera="/Camera")
    assert "/World/Card" in [mesh.path for mesh in scene.root.meshes]
    if wrong in ("string", "asset", "matrix4d"):
        assert "'points'" in said and "point3f[]" in said


def test_transforms_that_do_not_exist_are_ignored_and_named() -> None:
    """An order that lists what is no transform."""
    stage = Usd.Stage.CreateInMemory()
    mesh = add_card(stage, "/Card")
    mesh.GetPrim().CreateAttribute("xformOpOrder", Sdf.ValueTypeNames.TokenArray).Set(["translate"])
    scene, said = read(stage)
    assert len(scene.root.meshes) == 1
    assert places(said) == ["/Card"]


def test_what_is_too_far_away_is_skipped_and_named() -> None:
    """Points and sizes that are numbers, but beyond the renderer's."""
    stage = Usd.Stage.CreateInMemory()
    add_card(stage, "/Card")
    add_card(stage, "/Far", 1e30)
    add_sphere(stage, "/Moved", (1e25, 0, 0))
    points = UsdGeom.Points.Define(stage, "/Points")
    points.CreatePointsAttr([(0, 0, 0), (1, 0, 0)])
    points.CreateWidthsAttr([1.0, float("inf")])
    scene, said = read(stage)
    assert [mesh.path for mesh in scene.root.meshes] == ["/Card"]
    assert places(said) == ["/Far and 2 more"]
    assert np.isfinite(draw(stage)).all()


def test_render_settings_of_another_type_are_ignored_and_named() -> None:
    """The picture has its default size."""
    stage = Usd.Stage.CreateInMemory()
    add_card(stage, "/Card")
    settings = stage.DefinePrim("/Render/S", "RenderSettings")
    assert stage.GetRootLayer().GetPrimAtPath("/Render/S")
    Sdf.AttributeSpec(
        stage.GetRootLayer().GetPrimAtPath("/Render/S"),
        "resolution",
        Sdf.ValueTypeNames.String,
        Sdf.VariabilityUniform,
    ).default = "large"
    assert settings
    scene, said = read(stage)
    assert scene.settings.width == 640
    assert "resolution" in said


def test_a_light_of_a_negative_radius_is_rendered() -> None:
    """As one of that size."""
    stage = Usd.Stage.CreateInMemory()
    add_card(stage, "/Card")
    stage.DefinePrim("/Lamp", "SphereLight").GetAttribute("inputs:radius").Set(-3.0)
    assert len(read(stage)[0].root.lights) == 1
