"""Tabs: the base of tab plug-ins."""

from __future__ import annotations

from host.Katana.UI4.Tabs.BaseTab import BaseTab

__all__ = ["BaseTab"]
