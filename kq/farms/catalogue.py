"""The supported farms, by name. No engine is called here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import BadInput
from ..plain_text import quoted
from .engine import Engine
from .farm import Farm
from .opencue import OpenCue
from .slurm import Slurm

__all__ = ["FARM_NAMES", "FARM_TITLES", "check_farm_name", "open_farm"]

_ENGINES: Mapping[str, Callable[[], Engine]] = {"slurm": Slurm, "opencue": OpenCue}
FARM_NAMES = tuple(_ENGINES)
"""Names for settings and commands; the first is the default of `kq farm`."""
FARM_TITLES: Mapping[str, str] = {"slurm": "Slurm", "opencue": "OpenCue"}
"""Display names, by name."""


def check_farm_name(name: str) -> None:
    """Raise BadInput unless `name` is a supported farm."""
    if name not in _ENGINES:
        raise BadInput(f"there is no farm {quoted(name)}: use {', '.join(FARM_NAMES)}")


def open_farm(name: str, data_root: Path) -> Farm:
    """Return a farm whose jobs are below `data_root`, which its machines must share under the same path.

    Returns at once: the farm uses its folder and engine on a thread of its own. Raises BadInput.
    """
    check_farm_name(name)
    return Farm(name, data_root / "farms" / name, _ENGINES[name](), FARM_TITLES[name])
