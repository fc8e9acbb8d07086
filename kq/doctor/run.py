"""One examination: each part in its turn. It takes a moment, and some seconds where much is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from ..client.discovery import live_sessions
from ..own_folders import own_data_root
from ..settings import Settings
from . import installation, sessions, storage
from .report import Report

__all__ = ["examine"]


def examine(environment: Mapping[str, str], data_root: str | None = None) -> Report:
    """Look at everything.

    Args:
        environment: where KQ_* variables are.
        data_root: instead of KQ_DATA_ROOT.
    """
    good, mistakes = installation.without_mistakes(environment)
    settings = Settings.from_environment(good, data_root=data_root)
    root = own_data_root(settings.data_root, create=False)
    report = Report(
        versions=installation.versions(), settings=installation.settings_of(settings, good, data_root)
    )
    report.add(mistakes)
    report.add(installation.check_packages(report.versions))
    report.add(installation.check_environment(environment))
    report.add(storage.check_data_root(root))
    report.add(sessions.check_sessions(root))
    if not live_sessions(root):
        report.add(installation.check_ports(settings))
    report.add(sessions.check_leftovers())
    return report
