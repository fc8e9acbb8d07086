"""Subdivision surfaces, curves, points and NURBS patches: their shape, and what of them is seen."""

from __future__ import annotations

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom

from host.renderboot.errors import RenderBootError
from host.renderboot.stage.curve_basis import basis, dense, nurbs
from host.renderboot.stage.subdivide import levels_for
from tests.renderboot.stages import add_camera, add_card, add_dome, draw, new_stage, places, read
from tests.renderboot.test_cases import at

CORNERS = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
FACES = [0, 1, 3, 2, 4, 6, 7, 5, 0, 4, 5, 1, 2, 3, 7, 6, 0, 2, 6, 4, 1, 5, 7, 3]


@pytest.fixture
def stage() -> Usd.Stage:
    """A camera that sees 4 by 4 units, and an even dome."""
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    return stage


def _box(stage: Usd.Stage, scheme: str = "catmullClark") -> UsdGeom.Mesh:
    mesh = UsdGeom.Mesh.Define(stage, "/World/Box")
    mesh.CreatePointsAttr(CORNERS)
    mesh.CreateFaceVertexCountsAttr([4] * 6)
    mesh.CreateFaceVertexIndicesAttr(FACES)
    mesh.CreateSubdivisionSchemeAttr(scheme)
    return mesh


def _positions(stage: Usd.Stage) -> np.ndarray:
    return read(stage)[0].root.meshes[0].positions


def test_a_box_becomes_round() -> None:
    """Two levels of Catmull-Clark: 96 faces, the corners where the rules put them, normals outwards."""
    stage = new_stage()
    mesh = _box(stage)
    part = read(stage)[0].root.meshes[0]
    assert len(part.triangles) == 192
    # 5/9 after one level; the second takes its corner to 0.4738.
    corner = part.positions[np.argmax(part.positions.sum(axis=1))]
    assert corner == pytest.approx([corner[0]] * 3)
    assert np.abs(part.positions).max() < 0.9
    assert (np.einsum("ij,ij->i", part.positions, part.normals) > 0).all()
    mesh.GetSubdivisionSchemeAttr().Set("none")
    assert np.abs(_positions(stage)).min() == 1.0


def test_the_first_level_has_its_known_points() -> None:
    """Of a cube: corners at 5/9, edges at 3/4, faces at 1."""
    from host.renderboot.stage.mesh_parts import Topology
    from host.renderboot.stage.subdivide import Sharpness, Subdivision

    topology = Topology(np.array(CORNERS, np.float32), np.full(6, 4), np.array(FACES), None, False)
    points = Subdivision(topology, Sharpness(), 1).topology.points
    assert np.abs(points[:8]) == pytest.approx(np.full((8, 3), 5 / 9))
    assert np.sort(np.abs(points[8:20]), axis=1) == pytest.approx(np.tile([0, 0.75, 0.75], (12, 1)))
    assert np.sort(np.abs(points[20:]), axis=1) == pytest.approx(np.tile([0, 0, 1], (6, 1)))


def test_creases_and_corners_stay_sharp() -> None:
    """All edges sharp: the box stays one. One sharp corner stays where it is. Half sharp lies between."""
    stage = new_stage()
    mesh = _box(stage)
    loops = [[*FACES[start : start + 4], FACES[start]] for start in range(0, 24, 4)]
    mesh.CreateCreaseIndicesAttr([point for loop in loops for point in loop])
    mesh.CreateCreaseLengthsAttr([5] * 6)
    sizes = {}
    for sharpness in (0.0, 1.0, 10.0):
        mesh.CreateCreaseSharpnessesAttr([sharpness] * 6)
        sizes[sharpness] = float(np.abs(_positions(stage)).max(axis=1).min())
    assert sizes[10.0] == 1.0
    assert sizes[0.0] < sizes[1.0] < 1.0
    mesh.CreateCreaseSharpnessesAttr([0.0] * 6)
    mesh.CreateCornerIndicesAttr([7])
    mesh.CreateCornerSharpnessesAttr([10.0])
    assert _positions(stage).max(axis=0).tolist() == [1, 1, 1]
    mesh.CreateCreaseLengthsAttr([5, 99])
    assert places(read(stage)[1]) == ["/World/Box"]


def test_a_card_keeps_its_border_and_its_coordinates() -> None:
    """A boundary is a crease, its corners stay; texture coordinates lie where they lay."""
    stage = new_stage()
    card = add_card(stage, "/World/Card", 1.0)
    card.CreateSubdivisionSchemeAttr("catmullClark")
    part = read(stage)[0].root.meshes[0]
    for corner, uv in (((-1, -1, 0), (0, 0)), ((1, -1, 0), (1, 0)), ((1, 1, 0), (1, 1))):
        [row] = np.flatnonzero((part.positions == corner).all(axis=1))
        assert part.uvs[row].tolist() == list(uv)
    card.CreateInterpolateBoundaryAttr("edgeOnly")
    assert np.abs(_positions(stage)).max() < 1.0


@pytest.mark.parametrize("interpolation", ["constant", "uniform", "varying", "vertex", "faceVarying"])
def test_primvars_are_refined_with_the_surface(interpolation: str) -> None:
    """A primvar that is 1 everywhere stays 1; the first face's colour stays on its parts."""
    stage = new_stage()
    mesh = _box(stage)
    count = {"constant": 1, "uniform": 6, "faceVarying": 24}.get(interpolation, 8)
    colours = mesh.CreateDisplayColorPrimvar(interpolation)
    colours.Set([(1, 0, 0)] + [(1, 1, 1)] * (count - 1))
    part = read(stage)[0].root.meshes[0]
    if interpolation == "constant":
        assert part.material.diffuse_colour == (1, 0, 0)
        return
    found = part.attributes["displayColor"]
    assert found[:, 0] == pytest.approx(np.ones(len(found)))
    assert found[:, 1].max() == pytest.approx(1.0)
    assert found[:, 1].min() < 0.65


def test_subsets_of_a_subdivision_surface_keep_their_faces() -> None:
    """One face of six becomes sixteen of ninety-six."""
    from pxr import UsdShade

    from tests.renderboot.stages import add_material, bind

    stage = new_stage()
    mesh = _box(stage)
    subset = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).CreateMaterialBindSubset("one", [0])
    bind(subset.GetPrim(), add_material(stage, "/World/Red", diffuseColor=(1.0, 0.0, 0.0)))
    assert sorted(len(part.triangles) for part in read(stage)[0].root.meshes) == [32, 160]


# --- Curves ---


def _curves(
    stage: Usd.Stage, points: list[tuple[float, float, float]], **settings: str
) -> UsdGeom.BasisCurves:
    curves = UsdGeom.BasisCurves.Define(stage, "/World/Curves")
    curves.CreatePointsAttr(points)
    curves.CreateCurveVertexCountsAttr([len(points)])
    for name, value in settings.items():
        curves.GetPrim().GetAttribute(name).Set(value)
    curves.CreateWidthsAttr([0.4])
    curves.SetWidthsInterpolation("constant")
    curves.CreateDisplayColorAttr([(0.8, 0, 0)])
    return curves


@pytest.mark.parametrize(
    ("points", "settings"),
    [
        ([(-2, 0, 0), (2, 0, 0)], {"type": "linear"}),
        ([(-2, 0, 0), (-1, 0, 0), (1, 0, 0), (2, 0, 0)], {"type": "cubic", "basis": "bezier"}),
        ([(-4, 0, 0), (-2, 0, 0), (2, 0, 0), (4, 0, 0)], {"type": "cubic", "basis": "bspline"}),
        ([(-4, 0, 0), (-2, 0, 0), (2, 0, 0), (4, 0, 0)], {"type": "cubic", "basis": "catmullRom"}),
        ([(-2, 0, 0), (2, 0, 0)], {"type": "cubic", "basis": "catmullRom", "wrap": "pinned"}),
        ([(-2, 0, 0), (-1, 0, 0), (2, 0, 0)], {"type": "cubic", "basis": "bspline", "wrap": "pinned"}),
    ],
    ids=["linear", "bezier", "bspline", "catmullRom", "pinned catmullRom", "pinned bspline"],
)
def test_curves_are_tubes(
    stage: Usd.Stage, points: list[tuple[float, float, float]], settings: dict[str, str]
) -> None:
    """A horizontal line of 0.4 units: red on it, the dome above and below."""
    _curves(stage, points, **settings)
    pixels = draw(stage, width=64, height=64)
    assert at(pixels, 0, 0)[1] < 0.3
    for y in (0.5, -0.5):
        assert at(pixels, 0, y) == pytest.approx([1, 1, 1])
    assert "skipped" not in read(stage)[1]


def test_curves_have_widths_and_colours_along_them(stage: Usd.Stage) -> None:
    """Thin and red on the left, thick and blue on the right; two curves with a colour each."""
    curves = _curves(stage, [(-2, 0, 0), (0, 0, 0), (2, 0, 0)], type="linear")
    curves.GetWidthsAttr().Set([0.1, 0.6, 1.1])
    curves.SetWidthsInterpolation("vertex")
    curves.CreateDisplayColorPrimvar("vertex").Set([(0.8, 0, 0), (0.8, 0, 0), (0, 0, 0.8)])
    pixels = draw(stage, width=64, height=64)
    assert at(pixels, -1.7, 0.3) == pytest.approx([1, 1, 1])
    assert at(pixels, 1.7, 0.3)[2] > 2 * at(pixels, 1.7, 0.3)[0]
    curves.GetPointsAttr().Set([(-2, 1, 0), (2, 1, 0), (-2, -1, 0), (2, -1, 0)])
    curves.GetCurveVertexCountsAttr().Set([2, 2])
    curves.GetWidthsAttr().Set([0.5, 1.0])
    curves.SetWidthsInterpolation("uniform")
    curves.CreateDisplayColorPrimvar("uniform").Set([(0.8, 0, 0), (0, 0.8, 0)])
    pixels = draw(stage, width=64, height=64)
    assert np.argmax(at(pixels, 0, 1)) == 0
    assert np.argmax(at(pixels, 0, -1)) == 1
    assert at(pixels, 0, 1.4) == pytest.approx([1, 1, 1])
    assert at(pixels, 0, -1.4)[0] < 0.5


def test_normals_make_ribbons() -> None:
    """Seen from where they face a ribbon has its width, and no thickness."""
    stage = new_stage()
    curves = _curves(stage, [(-2, 0, 0), (2, 0, 0)], type="linear")
    curves.CreateNormalsAttr([(0, 0, 1)] * 2)
    positions = _positions(stage)
    assert np.ptp(positions, axis=0) == pytest.approx([4, 0.4, 0], abs=1e-6)


def test_normals_of_curves_may_be_a_primvar_or_one_for_all() -> None:
    """Each makes ribbons; some that do not fit make tubes, or those of the attribute, which is named."""
    stage = new_stage()
    curves = _curves(stage, [(-2, 0, 0), (2, 0, 0)], type="linear")
    curves.CreateNormalsAttr([(0, 0, 1)])
    assert np.ptp(_positions(stage), axis=0) == pytest.approx([4, 0.4, 0], abs=1e-6)
    primvar = UsdGeom.PrimvarsAPI(curves).CreatePrimvar(
        "normals", Sdf.ValueTypeNames.Normal3fArray, UsdGeom.Tokens.vertex
    )
    primvar.Set([(0, 1, 0)])
    primvar.SetIndices([0, 0])
    assert np.ptp(_positions(stage), axis=0) == pytest.approx([4, 0, 0.4], abs=1e-6)
    primvar.SetIndices([0, 1])
    assert places(read(stage)[1]) == ["/World/Curves"]
    assert np.ptp(_positions(stage), axis=0) == pytest.approx([4, 0.4, 0], abs=1e-6)
    primvar.BlockIndices()
    primvar.Set([(0, 1, 0)] * 3)
    assert places(read(stage)[1]) == ["/World/Curves"]
    assert np.ptp(_positions(stage), axis=0)[1] > 0.3


def test_widths_may_be_indexed() -> None:
    """Four points of two sizes; an index out of range is named, and the attribute is used."""
    stage = new_stage()
    points = UsdGeom.Points.Define(stage, "/World/Dust")
    points.CreatePointsAttr([(0, 0, 0), (2, 0, 0), (4, 0, 0), (6, 0, 0)])
    primvar = UsdGeom.PrimvarsAPI(points).CreatePrimvar(
        "widths", Sdf.ValueTypeNames.FloatArray, UsdGeom.Tokens.vertex
    )
    primvar.Set([0.2, 0.6])
    primvar.SetIndices([0, 1, 1, 0])
    each = _positions(stage).reshape(4, -1, 3)
    assert np.ptp(each[..., 1], axis=1) == pytest.approx([0.2, 0.6, 0.6, 0.2])
    primvar.SetIndices([0, 1, 2, 0])
    points.CreateWidthsAttr([0.4] * 4)
    each = _positions(stage).reshape(4, -1, 3)
    assert np.ptp(each[..., 1], axis=1) == pytest.approx([0.4] * 4)
    assert places(read(stage)[1]) == ["/World/Dust"]


def test_periodic_curves_close() -> None:
    """As many segments as points, and the last sample is the first one."""
    for name in ("bspline", "catmullRom"):
        weights, segments = basis(4, "cubic", name, "periodic")
        assert segments == 4
        assert weights[0] == pytest.approx(weights[-1])
    assert basis(3, "cubic", "bezier", "nonperiodic") is None


@pytest.mark.parametrize("order", [2, 3, 4])
def test_b_splines_sum_to_one(order: int) -> None:
    """Clamped knots: from the first control point to the last one."""
    count = 6
    knots = np.array([0] * order + list(range(1, count - order + 1)) + [count - order + 1] * order, float)
    local, columns = nurbs(count, order, knots, None)
    assert local.shape[1] == order
    weights = dense(local, columns, count)
    assert weights.sum(axis=1) == pytest.approx(np.ones(len(weights)))
    assert weights[0].argmax() == 0
    assert weights[-1].argmax() == count - 1
    assert nurbs(count, order, knots[:-1], None) is None
    # Without knots: evenly spaced ones, clamped.
    even = dense(*nurbs(count, order, np.zeros(0), None), count)
    assert even == pytest.approx(weights)
    # In the middle of a span, by hand.
    if order == 3:
        middle = weights[np.flatnonzero(np.isclose(weights.max(axis=1), 0.75))]
        assert middle[0].max() == pytest.approx(0.75)


def test_nurbs_curves_are_drawn(stage: Usd.Stage) -> None:
    """A straight one from left to right."""
    curves = UsdGeom.NurbsCurves.Define(stage, "/World/Curves")
    curves.CreatePointsAttr([(-2, 0, 0), (-1, 0, 0), (1, 0, 0), (2, 0, 0)])
    curves.CreateCurveVertexCountsAttr([4])
    curves.CreateOrderAttr([4])
    curves.CreateKnotsAttr([0, 0, 0, 0, 1, 1, 1, 1])
    curves.CreateWidthsAttr([0.4])
    curves.CreateDisplayColorAttr([(0.8, 0, 0)])
    assert at(draw(stage, width=64, height=64), 0, 0)[1] < 0.3


# --- Points and patches ---


def test_points_are_spheres_of_their_widths_and_colours(stage: Usd.Stage) -> None:
    """Red and small, blue and large."""
    points = UsdGeom.Points.Define(stage, "/World/Dust")
    points.CreatePointsAttr([(-1, 0, 0), (1, 0, 0)])
    points.CreateWidthsAttr([0.4, 1.6])
    points.CreateDisplayColorPrimvar("vertex").Set([(0.8, 0, 0), (0, 0, 0.8)])
    pixels = draw(stage, width=64, height=64)
    assert np.argmax(at(pixels, -1, 0)) == 0
    assert at(pixels, -1, 0.5) == pytest.approx([1, 1, 1])
    assert np.argmax(at(pixels, 1, 0.5)) == 2


def test_a_nurbs_patch_is_drawn(stage: Usd.Stage) -> None:
    """A flat bicubic patch of 2 by 2 units, its texture coordinates from 0 to 1."""
    patch = UsdGeom.NurbsPatch.Define(stage, "/World/Patch")
    side = np.linspace(-1, 1, 4)
    patch.CreatePointsAttr([Gf.Vec3f(x, y, 0) for y in side for x in side])
    for letter in "UV":
        getattr(patch, f"Create{letter}VertexCountAttr")(4)
        getattr(patch, f"Create{letter}OrderAttr")(4)
        getattr(patch, f"Create{letter}KnotsAttr")([0, 0, 0, 0, 1, 1, 1, 1])
    patch.CreateDisplayColorAttr([(0.8, 0, 0)])
    part = read(stage)[0].root.meshes[0]
    assert np.abs(part.normals) == pytest.approx(np.tile([0, 0, 1], (len(part.normals), 1)), abs=1e-6)
    assert (part.uvs.min(), part.uvs.max()) == (0, 1)
    pixels = draw(stage, width=64, height=64)
    assert at(pixels, 0.8, 0.8)[1] < 0.3
    assert at(pixels, 1.3, 0) == pytest.approx([1, 1, 1])


def test_a_large_patch_holds_only_what_it_needs() -> None:
    """120 by 120 control points: a share of every point in every sample would take 60 GB."""
    stage = new_stage()
    patch = UsdGeom.NurbsPatch.Define(stage, "/World/Patch")
    side = np.linspace(-1, 1, 120)
    patch.CreatePointsAttr([Gf.Vec3f(x, y, 0) for y in side for x in side])
    for letter in "UV":
        getattr(patch, f"Create{letter}VertexCountAttr")(120)
        getattr(patch, f"Create{letter}OrderAttr")(4)
    part = read(stage)[0].root.meshes[0]
    assert part.bounds[0] == pytest.approx([-1, -1, 0])
    assert part.bounds[1] == pytest.approx([1, 1, 0])
    colours = UsdGeom.PrimvarsAPI(patch).CreatePrimvar(
        "displayColor", Sdf.ValueTypeNames.Color3fArray, "vertex"
    )
    colours.Set([Gf.Vec3f(x, y, 0) for y in side for x in side])
    part = read(stage)[0].root.meshes[0]
    assert part.attributes["displayColor"][:, :2] == pytest.approx(part.positions[:, :2], abs=1e-5)


@pytest.mark.parametrize("kind", ["BasisCurves", "NurbsCurves"])
def test_a_curve_of_too_many_points_is_named(kind: str) -> None:
    """It is skipped, and memory is not taken."""
    stage = new_stage()
    add_card(stage, "/World/Card")
    curves = UsdGeom.Curves(stage.DefinePrim("/World/Line", kind))
    curves.CreatePointsAttr([(i, 0, 0) for i in range(50_000)])
    curves.CreateCurveVertexCountsAttr([50_000])
    scene, said = read(stage)
    assert [mesh.path for mesh in scene.root.meshes] == ["/World/Card"]
    assert places(said) == ["/World/Line"] * 2  # its count, and its numbers


@pytest.mark.parametrize("kind", ["BasisCurves", "NurbsCurves", "HermiteCurves", "Points", "NurbsPatch"])
def test_what_does_not_fit_together_is_named(kind: str) -> None:
    """Counts without points, points that are not finite."""
    stage = new_stage()
    add_card(stage, "/World/Card")
    prim = stage.DefinePrim("/World/Odd", kind)
    assert "/World/Odd" in read(stage)[1]
    UsdGeom.PointBased(prim).CreatePointsAttr([(float("nan"), 0, 0)] * 4)
    assert "/World/Odd" in read(stage)[1]
    UsdGeom.PointBased(prim).GetPointsAttr().Set([(0, 0, 0)] * 4)
    if kind != "Points":
        assert "/World/Odd" in read(stage)[1]


def test_a_scene_of_other_shapes_only_says_which() -> None:
    """The error names the kinds that were skipped."""
    stage = new_stage()
    stage.DefinePrim("/World/Cloud", "Volume")
    stage.DefinePrim("/World/Jelly", "TetMesh")
    with pytest.raises(RenderBootError, match="1 TetMesh, 1 Volume"):
        read(stage)


@pytest.mark.parametrize(("faces", "levels"), [(6, 2), (15_000, 2), (16_000, 1), (62_000, 1), (63_000, 0)])
def test_meshes_of_many_faces_are_refined_less(faces: int, levels: int) -> None:
    """To 250,000 faces at most: their own faces are small."""
    assert levels_for(np.full(faces, 4)) == levels
