"""A tab that cannot be opened."""

from __future__ import annotations


class FailingTab:
    """Raises when it is made."""

    def __init__(self, parent: object) -> None:
        raise RuntimeError("this tab needs a graphics card")


PluginRegistry = [("KatanaPanel", 2.0, "Failing Tab", FailingTab)]
