"""Meshes into triangles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pxr import Sdf, Usd, UsdGeom, UsdShade

from host.renderboot.scene import Mesh
from host.renderboot.stage import implicit
from host.renderboot.stage.triangulate import triangulate
from tests.renderboot.stages import add_card, add_material, bind, new_stage, places, read


def _mesh(
    points: list[tuple[float, float, float]], counts: list[int], indices: list[int]
) -> tuple[Usd.Stage, UsdGeom.Mesh]:
    stage = new_stage()
    mesh = UsdGeom.Mesh.Define(stage, "/World/Mesh")
    mesh.CreatePointsAttr(points)
    mesh.CreateFaceVertexCountsAttr(counts)
    mesh.CreateFaceVertexIndicesAttr(indices)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    return stage, mesh


def _areas(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.positions[mesh.triangles[:, i]] for i in range(3))
    return np.cross(b - a, c - a) / 2


L_SHAPE = [(0, 0, 0), (2, 0, 0), (2, 1, 0), (1, 1, 0), (1, 2, 0), (0, 2, 0)]


def test_concave_polygons_keep_their_outline() -> None:
    """An L of area 3 gives triangles of area 3, all facing the same way."""
    for turn in range(6):
        stage, _ = _mesh(L_SHAPE, [6], [(i + turn) % 6 for i in range(6)])
        areas = _areas(read(stage)[0].root.meshes[0])
        assert np.all(areas[:, 2] > 0)
        assert areas[:, 2].sum() == pytest.approx(3.0)


@given(
    st.lists(st.floats(0.3, 3.0), min_size=3, max_size=14), st.sampled_from(["xy", "yz", "zx"]), st.booleans()
)
def test_star_shaped_polygons_are_covered_exactly(radii: list[float], plane: str, mirrored: bool) -> None:
    """Whatever the polygon, in whatever plane and winding: n - 2 triangles, same area, no fold."""
    angles = np.arange(len(radii)) / len(radii) * 2 * np.pi * (-1 if mirrored else 1)
    flat = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)
    points = np.zeros((len(radii), 3), np.float32)
    axes = ["xyz".index(letter) for letter in plane]
    points[:, axes[0]], points[:, axes[1]] = flat[:, 0], flat[:, 1]
    corners, faces = triangulate(points, np.array([len(radii)]), np.arange(len(radii)))
    assert len(corners) == len(radii) - 2
    assert set(faces.tolist()) == {0}
    a, b, c = (points[corners[:, i]].astype(np.float64) for i in range(3))
    normals = np.cross(b - a, c - a) / 2
    whole = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0) / 2
    assert np.allclose(normals.sum(axis=0), whole, atol=1e-4)
    assert np.linalg.norm(normals, axis=1).sum() == pytest.approx(np.linalg.norm(whole), rel=1e-3)


def test_left_handed_meshes_are_turned() -> None:
    """A left-handed square seen from its front winds the other way."""
    stage, mesh = _mesh([(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0)], [4], [0, 1, 2, 3])
    mesh.CreateOrientationAttr(UsdGeom.Tokens.leftHanded)
    assert np.all(_areas(read(stage)[0].root.meshes[0])[:, 2] > 0)


def test_face_varying_uvs_split_only_where_they_differ() -> None:
    """Two triangles of a square with a seam: the shared corners become two vertices each."""
    points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    stage, mesh = _mesh(points, [3, 3], [0, 1, 2, 0, 2, 3])
    primvar = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
    )
    primvar.Set([(0, 0), (1, 0), (1, 1), (0, 1)])
    primvar.SetIndices([0, 1, 2, 0, 2, 3])
    part = read(stage)[0].root.meshes[0]
    assert len(part.positions) == 4
    primvar.SetIndices([0, 1, 2, 1, 3, 3])
    part = read(stage)[0].root.meshes[0]
    assert len(part.positions) == 6
    corners = {tuple(part.positions[v]): set() for v in part.triangles.ravel()}
    for vertex in part.triangles.ravel():
        corners[tuple(part.positions[vertex])].add(tuple(part.uvs[vertex]))
    assert corners[(0.0, 0.0, 0.0)] == {(0.0, 0.0), (1.0, 0.0)}


def test_subsets_get_their_materials_and_the_rest_keeps_the_meshs() -> None:
    """Faces bound through a GeomSubset become a mesh of their own."""
    points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)]
    stage, mesh = _mesh(points, [4, 4], [0, 1, 2, 3, 1, 4, 5, 2])
    red = add_material(stage, "/World/Red", diffuseColor=(1.0, 0.0, 0.0))
    blue = add_material(stage, "/World/Blue", diffuseColor=(0.0, 0.0, 1.0))
    bind(mesh, blue)
    subset = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).CreateMaterialBindSubset("right", [1])
    bind(subset.GetPrim(), red)
    by_material = {part.material.path: part for part in read(stage)[0].root.meshes}
    assert by_material["/World/Red"].positions[:, 0].min() == 1.0
    assert by_material["/World/Blue"].positions[:, 0].max() == 1.0


def test_holes_are_left_open() -> None:
    """A face listed in holeIndices is not there."""
    points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)]
    stage, mesh = _mesh(points, [4, 4], [0, 1, 2, 3, 1, 4, 5, 2])
    mesh.CreateHoleIndicesAttr([0])
    assert read(stage)[0].root.meshes[0].positions[:, 0].min() == 1.0


@pytest.mark.parametrize(
    ("counts", "indices"),
    [([4], [0, 1, 2]), ([3], [0, 1, 9]), ([3], [0, 1, -1])],
    ids=["short", "beyond", "negative"],
)
def test_broken_topology_is_skipped_with_a_warning(counts: list[int], indices: list[int]) -> None:
    """One broken mesh does not cost the picture."""
    stage, _ = _mesh([(0, 0, 0), (1, 0, 0), (1, 1, 0)], counts, indices)
    add_card(stage, "/World/Good")
    scene, said = read(stage)
    assert [mesh.path for mesh in scene.root.meshes] == ["/World/Good"]
    assert places(said) == ["/World/Mesh"]


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (implicit.sphere(2.0), 4 / 3 * np.pi * 8),
        (implicit.cube(2.0), 8.0),
        (implicit.cylinder(1.0, 1.0, 2.0, "X"), 2 * np.pi),
        (implicit.cylinder(1.0, 0.0, 3.0, "Y"), np.pi),
        (implicit.capsule(1.0, 1.0, 2.0, "Z"), 2 * np.pi + 4 / 3 * np.pi),
    ],
    ids=["sphere", "cube", "cylinder", "cone", "capsule"],
)
def test_implicit_shapes_are_closed_and_face_outwards(shape: implicit.Shape, volume: float) -> None:
    """The signed volume tells both; normals agree with the winding."""
    a, b, c = (shape.positions[shape.triangles[:, i]].astype(np.float64) for i in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 == pytest.approx(volume, rel=0.02)
    faces = np.cross(b - a, c - a)
    towards = np.einsum("ij,ij->i", faces, shape.normals[shape.triangles].mean(axis=1))
    assert (towards > -1e-9).all()
