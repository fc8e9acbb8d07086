"""Reads only cameras, lights and materials again, where nothing else of a stage has changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdLux, UsdShade

from ..scene import Group, Material, Mesh, every_group
from .place import Place
from .traversal import StageWalk


def with_changed_values(
    walk: StageWalk, stage: Usd.Stage, last: Group, changed: Iterable[Sdf.Path]
) -> Group | None:
    """Return the last reading with the new values of the changed prims.

    Args:
        walk: reads them; it has read nothing yet.
        stage: the stage.
        last: the last reading of the whole stage. It stays as it is; what did not change is shared with it.
        changed: prims of which values have changed, transforms included, and nothing else of the stage.

    Returns:
        A group; None where more than values of cameras, lights and materials has to be read.
    """
    group = Group(last.path, last.meshes, list(last.lights), last.instances)
    for path in changed:
        prim = stage.GetPrimAtPath(path)
        if not prim or prim.IsInstanceProxy() or prim.IsInPrototype():
            return None
        if prim.IsA(UsdGeom.Camera):
            is_read = not prim.GetAllChildren()
        elif prim.IsA(UsdShade.NodeGraph) or prim.IsA(UsdShade.Shader):
            is_read = _read_material(walk, stage, group, path)
        else:
            is_read = prim.HasAPI(UsdLux.LightAPI) and _read_light(walk, prim, group)
        if not is_read:
            return None
    return group


def _read_light(walk: StageWalk, prim: Usd.Prim, group: Group) -> bool:
    """Replace the light in the group; returns whether it is all that the prim decides."""
    if prim.IsA(UsdGeom.Gprim) or prim.GetAllChildren():
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


def _read_material(walk: StageWalk, stage: Usd.Stage, group: Group, path: Sdf.Path) -> bool:
    """Replace the material of the meshes that show it; returns whether nothing else depends on it."""
    prototypes = (mesh for each in every_group(group) if each is not group for mesh in each.meshes)
    if any(_shows(mesh, path) for mesh in prototypes):
        return False
    meshes = list(group.meshes)
    is_shown = False
    for number, mesh in enumerate(meshes):
        if not _shows(mesh, path):
            continue
        is_shown = True
        bound = stage.GetPrimAtPath(mesh.path)
        if not bound or bound.IsInstanceProxy():
            return False
        geometry = bound.GetParent() if bound.IsA(UsdGeom.Subset) else bound
        material = walk.bindings.material(bound, geometry)
        if _needs(material) != _needs(mesh.material) or material.primvars or mesh.material.primvars:
            return False
        if material != mesh.material:
            meshes[number] = replace(mesh, material=material)
    group.meshes = meshes
    return is_shown


def _shows(mesh: Mesh, path: Sdf.Path) -> bool:
    look = mesh.material.path
    return look.startswith("/") and (path.HasPrefix(look) or Sdf.Path(look).HasPrefix(path))


def _needs(material: Material) -> object:
    """Return what else was read for a material: more than it must be read again where this differs."""
    coordinates = [(texture.uv_primvar, texture.uv_fallback) for texture in material.textures]
    return (material.path, material.transmits, material.emits, coordinates)
