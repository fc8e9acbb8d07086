"""A plug-in that asks of Katana what it does not have. Each line that must be refused says so."""

from __future__ import annotations

from Katana import Configuration, FarmAPI, NodegraphAPI
from Katana import katana_alias  # refused
from Katana import DesktopWindow  # refused

Configuration.get("KATANA_UI_MODE", "1")  # refused
Configuration.remove("KATANA_UI_MODE")  # refused
FarmAPI.FarmPluginManager.SubmitJob("Render")  # refused
FarmAPI.FarmPluginManager.GetJobState(7)  # refused
NodegraphAPI.GetNode("Render").render()  # refused
