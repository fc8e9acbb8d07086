"""Reads again only cameras, lights, materials and places of meshes, where nothing else has changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdLux, UsdShade

from ..scene import Group, Material, every_group, world_bounds
from .kept import KeptMeshes, Reading
from .place import Place
from .traversal import StageWalk, has_children


def with_changed_values(
    walk: StageWalk, stage: Usd.Stage, kept: KeptMeshes, changed: Iterable[Sdf.Path]
) -> Reading | None:
    """Return the last reading with the new values of the changed prims.

    Args:
        walk: reads them; it has read nothing yet.
        stage: the stage.
        kept: has the last reading, which stays as it is; what did not change is shared with it.
        changed: prims of which values have changed, transforms included, and nothing else of the stage.

    Returns:
        None where there is no last reading, or where more has to be read than values of cameras, lights and
        materials, and places of meshes.
    """
    last = kept.last
    if last is None:
        return None
    group = Group(last.root.path, last.root.meshes, list(last.root.lights), last.root.instances)
    is_view_same, is_moved = True, False
    prototypes = [Sdf.Path(each.path) for each in every_group(group) if each is not group]
    for path in changed:
        prim = stage.GetPrimAtPath(path)
        if not prim or prim.IsInstanceProxy() or prim.IsInPrototype():
            return None
        if prim.IsA(UsdGeom.Camera):
            is_read = not has_children(prim)
            is_view_same = False
        elif prim.IsA(UsdShade.NodeGraph) or prim.IsA(UsdShade.Shader):
            is_read = _read_materials(walk, stage, group, kept.materials_of(path))
        # What instancers copy may be rendered where it is, too.
        elif any(path.HasPrefix(each) or each.HasPrefix(path) for each in prototypes):
            return None
        elif prim.HasAPI(UsdLux.LightAPI):
            is_read = _read_light(walk, prim, group)
        else:
            is_read = kept.is_only_moved(path) and _read_places(walk, prim, group)
            is_moved = True
        if not is_read:
            return None
    bounds = world_bounds(group) if is_moved else last.bounds
    if bounds is None:
        return None
    view = last.view if is_view_same and not is_moved else None
    return Reading(last.settings, group, bounds, last.cameras, view)


def _read_places(walk: StageWalk, prim: Usd.Prim, group: Group) -> bool:
    """Replace the meshes below a prim that was moved; returns whether nothing else is below it."""
    above = _place_above(walk, prim)
    if above is None:
        return False
    read = Group(group.path)
    walk.visit([prim], above, read)
    path = prim.GetPath()
    numbers = [number for number, mesh in enumerate(group.meshes) if Sdf.Path(mesh.path).HasPrefix(path)]
    # A light without any area is not read.
    has_light = read.lights or any(Sdf.Path(light.path).HasPrefix(path) for light in group.lights)
    if has_light or read.instances or walk.cameras or not numbers:
        return False
    if [group.meshes[number].path for number in numbers] != [mesh.path for mesh in read.meshes]:
        return False
    group.meshes = list(group.meshes)
    for number, moved in zip(numbers, read.meshes, strict=True):
        mesh = group.meshes[number]
        # What is kept may still have a material that has changed since.
        is_current = moved.material == mesh.material
        group.meshes[number] = moved if is_current else replace(mesh, transform=moved.transform)
    return True


def _read_light(walk: StageWalk, prim: Usd.Prim, group: Group) -> bool:
    """Replace the light in the group; returns whether it is all that the prim decides."""
    if prim.IsA(UsdGeom.Gprim) or has_children(prim):
        return False
    places = [number for number, light in enumerate(group.lights) if light.path == str(prim.GetPath())]
    above = _place_above(walk, prim)
    if len(places) != 1 or above is None:
        return False
    read = Group(group.path)
    walk.visit([prim], above, read)
    if len(read.lights) != 1:
        return False
    group.lights[places[0]] = read.lights[0]
    return True


def _place_above(walk: StageWalk, prim: Usd.Prim) -> Place | None:
    place: Place | None = Place(np.eye(4), UsdGeom.Imageable.PurposeInfo())
    for path in prim.GetPath().GetParentPath().GetPrefixes():
        parent = prim.GetStage().GetPrimAtPath(path)
        if place is None or parent.IsInstance() or parent.IsA(UsdGeom.PointInstancer):
            return None
        place = walk.place(parent, place)
    return place


def _read_materials(walk: StageWalk, stage: Usd.Stage, group: Group, paths: set[str]) -> bool:
    """Replace the materials of the meshes that show them; returns whether nothing else depends on them."""
    prototypes = [each for each in every_group(group) if each is not group]
    if any(mesh.material.path in paths for each in prototypes for mesh in each.meshes):
        return False
    # One that nothing shows may now be a look of something.
    if not paths or not paths <= {mesh.material.path for mesh in group.meshes}:
        return False
    read = {path: walk.bindings.unbound(stage, path) for path in paths}
    if not all(material and not material.primvars for material in read.values()):
        return False
    meshes = list(group.meshes)
    for number, mesh in enumerate(meshes):
        material = read.get(mesh.material.path)
        if material is None or material == mesh.material:
            continue
        if _needs(material) != _needs(mesh.material) or mesh.material.primvars:
            return False
        meshes[number] = replace(mesh, material=material)
    group.meshes = meshes
    return True


def _needs(material: Material) -> object:
    """Return what else was read for a material: more than it must be read again where this differs."""
    coordinates = [(texture.uv_primvar, texture.uv_fallback) for texture in material.textures]
    is_light = (material.emits, material.is_emission_animated, material.is_absent)
    return (material.path, material.transmits, is_light, coordinates)
