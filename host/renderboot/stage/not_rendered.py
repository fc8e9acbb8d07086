"""Tables of attributes that are rendered and not rendered; warns of authored ones that are not.

A test compares the two tables with USD's schemas, so that every attribute of a new USD version is classified.
"""

from __future__ import annotations

from pxr import Usd

from ..diagnostics import Diagnostics

_PLACED = frozenset(("visibility", "purpose", "xformOpOrder"))
_GPRIM = _PLACED | {"orientation", "primvars:displayColor", "primvars:displayOpacity"}
_LIGHT = _PLACED | {
    *("inputs:color", "inputs:colorTemperature", "inputs:enableColorTemperature", "inputs:exposure"),
    *("inputs:intensity", "inputs:normalize"),
}
_AXIAL = _GPRIM | {"axis", "height"}
_CURVES = _GPRIM | {"curveVertexCounts", "normals", "points", "widths"}
_TAPERED = _AXIAL | {"radiusBottom", "radiusTop"}

_PICTURE = ("aspectRatioConformPolicy", "camera", "dataWindowNDC", "pixelAspectRatio", "resolution")

RENDERED: dict[str, frozenset[str]] = {
    "Mesh": _GPRIM
    | {
        *("faceVertexCounts", "faceVertexIndices", "holeIndices", "normals", "points", "subdivisionScheme"),
        *("cornerIndices", "cornerSharpnesses", "creaseIndices", "creaseLengths", "creaseSharpnesses"),
        "interpolateBoundary",
    },
    "Sphere": _GPRIM | {"radius"},
    "Cube": _GPRIM | {"size"},
    "Cylinder": _AXIAL | {"radius"},
    "Cylinder_1": _TAPERED,
    "Cone": _AXIAL | {"radius"},
    "Capsule": _AXIAL | {"radius"},
    "Capsule_1": _TAPERED,
    "Plane": _GPRIM | {"axis", "length", "width"},
    "BasisCurves": _CURVES | {"basis", "type", "wrap"},
    "NurbsCurves": _CURVES | {"knots", "order", "pointWeights"},
    "HermiteCurves": _CURVES,
    "Points": _GPRIM | {"points", "widths"},
    "NurbsPatch": _GPRIM
    | {"points", "pointWeights"}
    | {f"{letter}{name}" for letter in "uv" for name in ("Knots", "Order", "Range", "VertexCount")},
    "Xform": _PLACED,
    "Scope": frozenset(("visibility", "purpose")),
    "PointInstancer": _PLACED
    | {
        "ids",
        "invisibleIds",
        "orientations",
        "orientationsf",
        "positions",
        "protoIndices",
        "prototypes",
        "scales",
    },
    "GeomSubset": frozenset(("elementType", "familyName", "indices")),
    "Camera": _PLACED
    | {
        *("clippingRange", "exposure", "exposure:fStop", "exposure:iso", "exposure:responsivity"),
        *("exposure:time", "focalLength", "focusDistance", "fStop", "horizontalAperture"),
        *("horizontalApertureOffset", "projection", "verticalAperture", "verticalApertureOffset"),
    },
    "DistantLight": _LIGHT | {"inputs:angle"},
    "SphereLight": _LIGHT | {"inputs:radius", "treatAsPoint"},
    "RectLight": _LIGHT | {"inputs:height", "inputs:width", "inputs:texture:file"},
    "DiskLight": _LIGHT | {"inputs:radius"},
    "CylinderLight": _LIGHT | {"inputs:length", "inputs:radius"},
    "DomeLight": _LIGHT | {"inputs:texture:file"},
    "DomeLight_1": _LIGHT | {"inputs:texture:file", "poleAxis"},
    "ShapingAPI": frozenset(("inputs:shaping:cone:angle", "inputs:shaping:cone:softness")),
    "ShadowAPI": frozenset(),
    "GeomModelAPI": frozenset(),
    "RenderSettings": frozenset(
        (*_PICTURE, "includedPurposes", "products"),
    ),
    "RenderProduct": frozenset(_PICTURE),
}
"""Attributes that are read, by schema name."""

_MOTION = "Motion blur is not rendered"
_LINKING = "Light and shadow linking are not rendered: the light reaches everything"
_SHADOWS = "Changed shadows are not rendered: they are as light casts them"
_IES = "IES profiles are not rendered"
_PARTS = "A light's diffuse and specular multipliers are not rendered"
_DRAW_MODE = "Draw modes are not rendered: the model is drawn in full"
_TRIMMED = "Trim curves are not rendered: the patch is whole"
_LEVELS = "Levels of detail are not chosen: all of them are rendered"
_PURPOSES = "Visibility by purpose is not rendered: as the prim's visibility says"
_BACK_PLATE = "A camera's back plates are not rendered"
_COLOUR_SPACE = "Another rendering colour space than linear Rec. 709 is not rendered"

NOT_RENDERED: dict[str, str] = {
    "shutter:open": _MOTION,
    "shutter:close": _MOTION,
    "clippingPlanes": "A camera's clipping planes are not rendered",
    "light:filters": "Light filters are not rendered",
    **{
        f"collection:{link}:{name}": _LINKING
        for link in ("lightLink", "shadowLink")
        for name in ("excludes", "includeRoot", "includes", "membershipExpression")
    },
    "inputs:diffuse": _PARTS,
    "inputs:specular": _PARTS,
    "inputs:texture:format": "A dome texture of another format is rendered as latlong",
    "portals": "A dome's portals are not rendered",
    "treatAsLine": "A light treated as a line is rendered as a tube",
    "inputs:shaping:focus": "A light's shaping focus is not rendered",
    "inputs:shaping:focusTint": "A light's shaping focus is not rendered",
    "inputs:shaping:ies:file": _IES,
    "inputs:shaping:ies:angleScale": _IES,
    "inputs:shaping:ies:normalize": _IES,
    **dict.fromkeys(
        (f"inputs:shadow:{name}" for name in ("color", "distance", "enable", "falloff", "falloffGamma")),
        _SHADOWS,
    ),
    "model:drawMode": _DRAW_MODE,
    "tangents": "HermiteCurves are rendered without their tangents",
    **dict.fromkeys(
        (f"trimCurve:{name}" for name in ("counts", "knots", "orders", "points", "ranges", "vertexCounts")),
        _TRIMMED,
    ),
    "renderingColorSpace": _COLOUR_SPACE,
    "colorSpace:name": "Colour spaces of prims are not converted: colours are taken as linear Rec. 709",
    "lod:default:index": _LEVELS,
    "lod:heuristics": _LEVELS,
    "lod:override:index": _LEVELS,
    "lod:override:mode": _LEVELS,
    "guideVisibility": _PURPOSES,
    "proxyVisibility": _PURPOSES,
    "renderVisibility": _PURPOSES,
    "disableDepthOfField": "Depth of field is not switched off by render settings",
    "materialBindingPurposes": "Render settings do not choose materials: full before preview before all",
    "orderedVars": "Only colour and alpha are rendered",
}
"""Attributes that cause a warning when authored with a value other than the schema's default."""

_AS_RENDERED = {"inputs:texture:format": "latlong", "model:drawMode": "default"}
"""Values that are rendered, though they are not the schema's default."""

WITHOUT_EFFECT = {
    *("extent", "proxyPrim", "doubleSided", "ids", "guideRadius", "stereoRole", "light:shaderId"),
    *("light:materialSyncMode", "velocities", "accelerations", "angularVelocities", "productName"),
    *("productType", "disableMotionBlur", "instantaneousShutter", "faceVaryingLinearInterpolation"),
    # Of points and patches; meshes and curves read theirs.
    "normals",
    *("uForm", "vForm", "ranges"),
    # Details of a draw mode, which is named.
    *("model:applyDrawMode", "model:cardGeometry", "model:cardVisibility", "model:drawModeColor"),
    *(f"model:cardTexture{axis}{sign}" for axis in "XYZ" for sign in ("Neg", "Pos")),
    *("triangleSubdivisionRule", "collection:lightLink", "collection:shadowLink"),
    *(
        f"collection:{link}:{name}"
        for link in ("lightLink", "shadowLink")
        for name in ("expansionRule", "mode")
    ),
}
"""Attributes without a visible effect of their own; they cause no warning."""


def mention_not_rendered(prim: Usd.Prim, time: Usd.TimeCode, diagnostics: Diagnostics) -> None:
    """Warn of the prim's authored attributes and relationships that are not rendered."""
    definition = prim.GetPrimDefinition()
    found = set()
    for name in prim.GetAuthoredPropertyNames():
        text = _BACK_PLATE if name.startswith("backPlate:") else NOT_RENDERED.get(name)
        if text is None:
            continue
        relationship = prim.GetRelationship(name)
        if relationship:
            has_effect = bool(relationship.GetTargets())
        else:
            value = prim.GetAttribute(name).Get(time)
            has_effect = value is not None and value != definition.GetAttributeFallbackValue(name)
            if value == _AS_RENDERED.get(name):
                has_effect = False
        if has_effect:
            found.add(text)
    for text in sorted(found):
        diagnostics.warn(text, str(prim.GetPath()))
