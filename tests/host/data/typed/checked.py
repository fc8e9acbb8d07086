"""A plug-in that uses Katana as it is."""

from __future__ import annotations

from typing import Any

from Katana import Callbacks, Configuration, FarmAPI, NodegraphAPI, Shelves, Utils


class Farm(FarmAPI.BaseFarmPlugin):  # type: ignore[misc]  # the stubs' base comes out as Any
    """Submits."""

    def submitJob(self, jobRequest: Any) -> str:
        return str(jobRequest.nodeName)


def started(objectHash: object = None, **_kwargs: object) -> None:
    """Says where it is."""
    if Configuration.get("KATANA_UI_MODE"):
        print(NodegraphAPI.GetCurrentTime(), FarmAPI.FarmPluginManager.GetFarmPluginNames())
        print(Shelves.ParseFile("item.py"), Utils.Plugins.DefaultPaths("Plugins"))


Callbacks.addCallback(Callbacks.Type.onStartupComplete, started)
PluginRegistry = [("FarmPlugin", 1, "Checked", Farm)]
