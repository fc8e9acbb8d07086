"""A farm plug-in that cannot be made."""

from __future__ import annotations


class NoFarm:
    """Raises when it is made."""

    def __init__(self) -> None:
        raise RuntimeError("the farm is closed")


PluginRegistry = [("FarmPlugin", 1, "Closed Farm", NoFarm)]
