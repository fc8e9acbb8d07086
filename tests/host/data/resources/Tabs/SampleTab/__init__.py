"""A tab plug-in for tests: a package, whose parts it imports relatively."""

from __future__ import annotations

from .panel import SampleTab

PluginRegistry = [("KatanaPanel", 2.0, "Sample Tab", SampleTab)]
