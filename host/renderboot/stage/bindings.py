"""Resolves a prim's material: its bindings by purpose, else its displayColor; constant primvars resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pxr import Sdf, Usd, UsdGeom, UsdShade

from ..diagnostics import Diagnostics
from ..scene import ColourInput, Material, Primvar, ScalarInput
from .materials import MaterialReader, ReadMaterial, displayed
from .primvars import PrimvarReader

_PURPOSES = (UsdShade.Tokens.full, UsdShade.Tokens.preview, UsdShade.Tokens.allPurpose)
_ORDER = {"full": 0, "preview": 1, "": 2}
_DRIVEN_FIELDS: dict[str, Callable[[float], dict[str, object]]] = {
    "useSpecularWorkflow": lambda value: {"use_specular_workflow": int(value) == 1},
    "opacityThreshold": lambda value: {"opacity_threshold": value},
    "ior": lambda value: {"ior": value},
}


class BindingReader:
    """Finds materials at one frame."""

    def __init__(
        self, time: Usd.TimeCode, materials: MaterialReader, primvars: PrimvarReader, diagnostics: Diagnostics
    ) -> None:
        self._time = time
        self._materials = materials
        self._primvars = primvars
        self._diagnostics = diagnostics
        self.collections: set[Sdf.Path] = set()
        """Prims of the collections by which materials are bound, or would be if they were there."""
        self._met: set[Sdf.Path] = set()
        """Prims whose bindings of collections are noted."""

    def material(self, bound: Usd.Prim, geometry: Usd.Prim) -> Material:
        """Return the material; inputs driven by a constant primvar are replaced by its value.

        Args:
            bound: The prim that may have a binding: the geometry or a subset of it.
            geometry: The prim with the primvars.
        """
        candidates = self.candidates(bound)
        # A UsdPreviewSurface is preferred to a MaterialX surface, which is only approximated.
        for read in (self._materials.material, self._materials.translated):
            for candidate in candidates:
                found = read(candidate)
                if found:
                    return self._resolved(found, geometry)
        if candidates:
            first = candidates[0]
            self._diagnostics.warn(
                f"{self._materials.refusal(first)}; their objects show displayColor", str(first.GetPath())
            )
        elif _is_bound_to_nothing(bound):
            self._diagnostics.warn(
                "Bound to a material that does not exist; shows displayColor", str(bound.GetPath())
            )
        return self._resolved(ReadMaterial(self._displayed(geometry)), geometry)

    def unbound(self, stage: Usd.Stage, path: str) -> Material | None:
        """Return the material at a path; None where it cannot be rendered, or depends on the geometry."""
        prim = UsdShade.Material.Get(stage, path)
        found = (self._materials.material(prim) or self._materials.translated(prim)) if prim else None
        return found.material if found and not found.driven else None

    def candidates(self, prim: Usd.Prim) -> list[UsdShade.Material]:
        """Return the materials bound to the prim, by purpose: full, preview, all."""
        self._note_collections(prim)
        api = UsdShade.MaterialBindingAPI(prim)
        found: dict[str, tuple[int, UsdShade.Material]] = {}
        for purpose in _PURPOSES:
            material, binding = api.ComputeBoundMaterial(purpose)
            if material:
                found.setdefault(str(material.GetPath()), (_ORDER.get(_purpose(binding), 2), material))
        return [material for _, material in sorted(found.values(), key=lambda pair: pair[0])]

    def _note_collections(self, prim: Usd.Prim) -> None:
        """Note the collections that bind materials to the prim or to one above, and those they include."""
        while prim and prim.GetPath() not in self._met:
            self._met.add(prim.GetPath())
            waiting = [
                target
                for binding in prim.GetAuthoredPropertiesInNamespace("material:binding:collection")
                if isinstance(binding, Usd.Relationship)
                for target in binding.GetTargets()
            ]
            seen = set[Sdf.Path]()
            while waiting:
                path = waiting.pop()
                if path.IsPropertyPath() and path not in seen:
                    seen.add(path)
                    self.collections.add(path.GetPrimPath())
                    includes = prim.GetStage().GetRelationshipAtPath(f"{path}:includes")
                    waiting += includes.GetTargets() if includes else []
            prim = prim.GetParent()

    def _displayed(self, prim: Usd.Prim) -> Material:
        colour: ColourInput | None = None
        opacity: ScalarInput = 1.0
        colours = self._primvars.values(prim, "displayColor", 3)
        if colours is not None and len(colours.array):
            colour = Primvar("displayColor", 3, (0.5, 0.5, 0.5))
        opacities = self._primvars.values(prim, "displayOpacity", 1)
        if opacities is not None and len(opacities.array):
            opacity = Primvar("displayOpacity", 1, (1.0,))
        return displayed(colour, opacity)

    def _resolved(self, read: ReadMaterial, geometry: Usd.Prim) -> Material:
        changes: dict[str, object] = {}
        for name, primvar in read.material.primvars.items():
            constant = self._primvars.constant(geometry, primvar.name, primvar.width)
            if constant is None and not self._primvars.values(geometry, primvar.name, primvar.width):
                constant = primvar.fallback
            if constant is not None:
                changes[name] = as_input(constant)
        for name, primvar in read.driven:
            constant = self._primvars.constant(geometry, primvar.name, 1)
            if constant is not None:
                changes |= _DRIVEN_FIELDS[name](constant[0])
            elif self._primvars.values(geometry, primvar.name, 1):
                self._diagnostics.warn(
                    f"A primvar that varies on the input '{name}' is not rendered: it has its fallback",
                    str(geometry.GetPath()),
                )
        return replace(read.material, **changes) if changes else read.material  # type: ignore[arg-type]


def as_input(value: tuple[float, ...]) -> float | tuple[float, ...]:
    """Return one number as a float, more as a tuple: the form of material inputs."""
    return value[0] if len(value) == 1 else value


def without_primvars(material: Material, names: set[str]) -> Material:
    """Return the material with these primvars replaced by their fallbacks."""
    changes = {
        field: as_input(primvar.fallback)
        for field, primvar in material.primvars.items()
        if primvar.name in names
    }
    return replace(material, **changes) if changes else material  # type: ignore[arg-type]


def _purpose(binding: Usd.Relationship) -> str:
    """Parse the purpose of material:binding[:purpose] or material:binding:collection[:purpose]:name."""
    words = [word for word in str(binding.GetName()).split(":")[2:] if word]
    if words[:1] == ["collection"]:
        return words[1] if len(words) == 3 else ""
    return words[0] if words else ""


def _is_bound_to_nothing(prim: Usd.Prim) -> bool:
    return any(
        relationship.GetTargets()
        for relationship in prim.GetRelationships()
        if str(relationship.GetName()).startswith("material:binding") and not UsdGeom.Camera(prim)
    )
