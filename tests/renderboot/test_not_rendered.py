"""What is read of each kind of prim, and what is named instead: together all that USD's schemas have."""

from __future__ import annotations

import pytest
from pxr import Gf, Sdf, Sdr, Tf, Usd, UsdGeom, UsdLux, UsdRender, UsdShade

from host.renderboot.stage.curves import KINDS
from host.renderboot.stage.implicit_prims import SHAPES
from host.renderboot.stage.materials import SURFACE_INPUTS
from host.renderboot.stage.not_rendered import NOT_RENDERED, RENDERED, WITHOUT_EFFECT
from host.renderboot.stage.uv_textures import TEXTURE_INPUTS
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_material,
    add_texture,
    bind,
    new_stage,
    places,
    read,
)


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


WITHOUT_PICTURE = {
    *("SpatialAudio", "Skeleton", "PhysicsJoint", "PhysicsDistanceJoint", "PhysicsFixedJoint"),
    *("PhysicsPrismaticJoint", "PhysicsRevoluteJoint", "PhysicsSphericalJoint"),
    # Parts of volumes and of lights, which are named themselves.
    *("Field3DAsset", "OpenVDBAsset", "LightFilter", "PluginLightFilter"),
}


def test_every_kind_of_prim_is_rendered_or_named() -> None:
    """All that a stage may place in space: a kind that a new USD brings fails here until it is classified."""
    registry = Usd.SchemaRegistry()
    stage = new_stage()
    add_card(stage, "/World/Card")
    kinds = {
        registry.GetSchemaTypeName(kind)
        for kind in Tf.Type(UsdGeom.Imageable).GetAllDerivedTypes()
        if registry.IsConcrete(kind)
    }
    others = kinds - set(RENDERED) - WITHOUT_PICTURE
    for kind in others:
        stage.DefinePrim(f"/World/{kind}", kind)
    said = read(stage)[1]
    assert [kind for kind in sorted(others) if f": /World/{kind}" not in said] == []


SCHEMAS_WITHOUT_PICTURE = {
    *("AccessibilityAPI", "AssetPreviewsAPI", "AuthorshipAPI", "ClaimsAPI", "StatementsAPI", "NodeDefAPI"),
    *(
        "NodeGraphNodeAPI",
        "SceneGraphPrimAPI",
        "SemanticsLabelsAPI",
        "LightListAPI",
        "ListAPI",
        "CoordSysAPI",
    ),
    *(
        "CollectionAPI",
        "ColorSpaceDefinitionAPI",
        "RiSplineAPI",
        "RiMaterialAPI",
        "MotionAPI",
        "HydraPrimAPI",
    ),
    *("HydraRenderPassAPI", "HydraGenerativeProceduralAPI", "MaterialBindingAPI", "LightAPI"),
}
NAMED_WITH_THEIR_PRIM = ("ParticleField", "Physics", "Skel", "MeshLight", "VolumeLight")


def test_every_applied_schema_is_rendered_or_named() -> None:
    """Each attribute of those that a new USD brings, too: read, named, or without a picture."""
    registry, unknown = Usd.SchemaRegistry(), []
    for kind in Tf.Type(Usd.APISchemaBase).GetAllDerivedTypes():
        name = registry.GetSchemaTypeName(kind)
        definition = registry.FindAppliedAPIPrimDefinition(name)
        is_known = (
            name in RENDERED or name in SCHEMAS_WITHOUT_PICTURE or name.startswith(NAMED_WITH_THEIR_PRIM)
        )
        if definition is None or is_known:
            continue
        names = {str(each) for each in definition.GetPropertyNames()}
        unknown += [f"{name}.{each}" for each in names - set(NOT_RENDERED) - WITHOUT_EFFECT]
    assert [each for each in sorted(unknown) if not each.startswith("BackPlateAPI.")] == []


@pytest.mark.parametrize(
    ("node", "read_or_named"),
    [
        ("UsdPreviewSurface", SURFACE_INPUTS | {"displacement", "occlusion"}),
        ("UsdUVTexture", TEXTURE_INPUTS),
        ("UsdTransform2d", {"in", "rotation", "scale", "translation"}),
        ("UsdPrimvarReader_float", {"varname", "fallback"}),
    ],
)
def test_every_input_of_a_shader_is_read_or_named(node: str, read_or_named: set[str]) -> None:
    """Those of USD's own shaders, as its registry lists them."""
    found = Sdr.Registry().GetShaderNodeByIdentifier(node)
    assert set(found.GetShaderInputNames()) == read_or_named


def test_a_model_drawn_in_full_is_no_warning() -> None:
    """The mode `default` is what is rendered; another one is named once for a prim, cards included."""
    stage = new_stage()
    card = add_card(stage, "/World/Card").GetPrim()
    model = UsdGeom.ModelAPI.Apply(card)
    model.CreateModelCardGeometryAttr("box")
    model.CreateModelCardTextureXPosAttr(Sdf.AssetPath("a.png"))
    for mode, is_named in (("default", False), ("cards", True)):
        model.CreateModelDrawModeAttr(mode)
        assert places(read(stage)[1]) == (["/World/Card"] if is_named else [])


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
        ("/World/Card", "renderVisibility", "invisible"),
        ("/World/Card", "lod:default:index", 1),
    ],
)
def test_what_is_not_rendered_is_a_warning_with_its_prim(path: str, name: str, value: object) -> None:
    """Each with another value than the schema's; with that value it is no warning."""
    stage = new_stage()
    add_camera(stage)
    card = add_card(stage, "/World/Card").GetPrim()
    UsdGeom.ModelAPI.Apply(card)
    card.ApplyAPI("VisibilityAPI")
    card.ApplyAPI("LODRootAPI")
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


def test_what_is_left_out_beside_attributes_is_named() -> None:
    """A shape that is a light, a second product, a texture over other coordinates than it asks for."""
    stage = new_stage()
    add_camera(stage)
    UsdLux.LightAPI.Apply(UsdGeom.Sphere.Define(stage, "/World/Bulb").GetPrim())
    card = add_card(stage, "/World/Card")
    material = add_material(stage, "/World/M")
    bind(card, material)
    image = add_texture(stage, "/World/M", "diffuseColor", __file__)
    reader = UsdShade.Shader.Define(stage, "/World/M/Where")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("UVMap")
    pair = Sdf.ValueTypeNames.Float2
    image.CreateInput("st", pair).ConnectToSource(reader.CreateOutput("result", pair))
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    for name in ("First", "Second"):
        product = UsdRender.Product.Define(stage, f"/Render/{name}")
        settings.CreateProductsRel().AddTarget(product.GetPath())
    assert set(places(read(stage)[1])) == {"/World/Bulb", "/World/Card", "/Render/Second"}
