"""Tabs: the base of tab plug-ins."""

from __future__ import annotations

from .BaseTab import BaseTab

__all__ = ["BaseTab"]
