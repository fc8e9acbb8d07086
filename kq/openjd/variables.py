"""Which variables of a job's environment go into a bundle, which leaves this site. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import BadInput
from ..plain_text import quoted

__all__ = ["ChosenVariables", "choose_variables"]

_SAFE = re.compile(
    r"PYTHONPATH|OCIO|OCIO_.*|PXR_.*|USD_.*|USDIMAGING.*|MATERIALX_.*|OIIO_.*|OPENIMAGEIO_.*|MITSUBA_.*"
    r"|KATANA_(?:ROOT|RESOURCES|HOME|POST_PYTHONPATH|USD_PLUGINS)|DEFAULT_RENDERER"
    r"|RMANTREE|RMAN_(?:SHADERPATH|RIXPLUGINPATH|TEXTUREPATH|PROCEDURALPATH)|DELIGHT|DL_(?:SHADERS|TEXTURES)_PATH"
    r"|ARNOLD_(?:ROOT|PATH|PLUGIN_PATH)|KTOA_.*|VRAY_.*PATH.*|REDSHIFT_(?:COREDATAPATH|PROCEDURALSPATH)"
    r"|LANG|LC_[A-Z]+|TZ"
)
"""Where programs, plug-ins and colour configurations are, and the language. Nothing that admits anyone."""
_SECRET = re.compile(
    r".*(?:TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|AUTH|COOKIE|SESSION).*",
    re.IGNORECASE,
)
_LOGIN_IN_URL = re.compile(r"://[^/\s@]+@")


class ChosenVariables(NamedTuple):
    """The variables of a job, divided."""

    kept: dict[str, str]
    left_out: list[str]
    """The names of the others."""


def choose_variables(environment: Mapping[str, str], named: Sequence[str]) -> ChosenVariables:
    """Those that are known to be safe, and those that the user names.

    Raises:
        BadInput: one that is named is not the job's, or looks like a secret.
    """
    for name in named:
        if name not in environment:
            raise BadInput(f"the job has no variable {quoted(name)}")
        if _is_secret(name, environment[name]):
            raise BadInput(
                f"variable {quoted(name)} looks like a secret and is never exported: "
                "set it on the machines that render"
            )
    kept = {
        name: value
        for name, value in environment.items()
        if not _is_secret(name, value) and (name in named or _SAFE.fullmatch(name))
    }
    return ChosenVariables(kept, sorted(environment.keys() - kept.keys()))


def _is_secret(name: str, value: str) -> bool:
    return _SECRET.fullmatch(name) is not None or _LOGIN_IN_URL.search(value) is not None
