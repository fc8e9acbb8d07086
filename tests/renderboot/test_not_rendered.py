"""What is read of each kind of prim, and what is named instead: together all that USD's schemas have."""

from __future__ import annotations

import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdRender

from host.renderboot.stage.curves import KINDS
from host.renderboot.stage.implicit_prims import SHAPES
from host.renderboot.stage.not_rendered import NOT_RENDERED, RENDERED, WITHOUT_EFFECT
from tests.renderboot.stages import add_camera, add_card, new_stage, read


@pytest.mark.parametrize("kind", sorted(RENDERED))
def test_every_attribute_is_rendered_or_named(kind: str) -> None:
    """A new attribute of a schema fails here until it is read, named or known to have no effect."""
    registry = Usd.SchemaRegistry()
    definition = registry.FindConcretePrimDefinition(kind) or registry.FindAppliedAPIPrimDefinition(kind)
    if definition is None:
        pytest.skip("this USD has no such schema")
    names = {str(name) for name in definition.GetPropertyNames()}
    assert names - RENDERED[kind] - set(NOT_RENDERED) - WITHOUT_EFFECT == set()
    assert RENDERED[kind] & (set(NOT_RENDERED) | WITHOUT_EFFECT) - {"ids", "normals"} == set()


def test_every_kind_that_is_drawn_has_its_row() -> None:
    """Shapes, curves and lights."""
    lights = {
        "DistantLight",
        "SphereLight",
        "RectLight",
        "DiskLight",
        "CylinderLight",
        "DomeLight",
        "DomeLight_1",
    }
    assert {*SHAPES, *KINDS, *lights, "Mesh", "PointInstancer", "Camera", "GeomSubset"} <= set(RENDERED)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/World/Lamp", "inputs:shadow:enable", False),
        ("/World/Lamp", "inputs:shadow:color", Gf.Vec3f(1, 0, 0)),
        ("/World/Lamp", "inputs:diffuse", 0.5),
        ("/World/Lamp", "inputs:specular", 0.0),
        ("/World/Lamp", "inputs:shaping:focus", 2.0),
        ("/World/Lamp", "inputs:shaping:ies:file", Sdf.AssetPath("a.ies")),
        ("/World/Lamp", "collection:lightLink:includeRoot", False),
        ("/World/Camera", "shutter:close", 0.5),
        ("/World/Camera", "clippingPlanes", [Gf.Vec4f(0, 0, 1, 0)]),
        ("/World/Card", "model:drawMode", "bounds"),
        ("/Render/S", "renderingColorSpace", "acescg"),
    ],
)
def test_what_is_not_rendered_is_a_warning_with_its_prim(path: str, name: str, value: object) -> None:
    """Each with another value than the schema's; with that value it is no warning."""
    stage = new_stage()
    add_camera(stage)
    card = add_card(stage, "/World/Card").GetPrim()
    UsdGeom.ModelAPI.Apply(card)
    lamp = UsdLux.SphereLight.Define(stage, "/World/Lamp").GetPrim()
    UsdLux.ShadowAPI.Apply(lamp)
    UsdLux.ShapingAPI.Apply(lamp)
    UsdRender.Settings.Define(stage, "/Render/S")
    text = f"{NOT_RENDERED[name]}: {path}"
    assert text not in read(stage)[1]
    assert stage.GetPrimAtPath(path).GetAttribute(name).Set(value)
    assert text in read(stage)[1]
    default = stage.GetPrimAtPath(path).GetPrimDefinition().GetAttributeFallbackValue(name)
    if default is not None:
        stage.GetPrimAtPath(path).GetAttribute(name).Set(default)
        assert text not in read(stage)[1]
