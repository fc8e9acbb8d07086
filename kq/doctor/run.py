"""One examination: each part in its turn. It takes a moment, and some seconds where much is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..client.discovery import live_sessions
from ..errors import KqError
from ..own_folders import own_data_root
from ..settings import Settings
from . import installation, sessions, storage
from .report import Finding, Report, guarded

__all__ = ["examine"]


def examine(environment: Mapping[str, str], data_root: str | None = None) -> Report:
    """Look at everything.

    Args:
        environment: where KQ_* variables are.
        data_root: instead of KQ_DATA_ROOT.
    """
    good, mistakes = installation.without_mistakes(environment)
    report = Report(versions=installation.versions())
    report.add(mistakes)
    report.add(installation.check_packages(report.versions))
    report.add(installation.check_environment(environment))
    report.add(guarded("data root", _check_session_of(report, good, data_root)))
    report.add(sessions.check_leftovers())
    return report


def _check_session_of(
    report: Report, environment: Mapping[str, str], data_root: str | None
) -> Iterator[Finding]:
    """What depends on the data root. Raises KqError where there is none."""
    settings = Settings.from_environment(environment, data_root=data_root)
    report.settings = installation.settings_of(settings, environment, data_root)
    root = own_data_root(settings.data_root, create=False)
    yield from guarded("data root", storage.check_data_root(root))
    yield from guarded("sessions", sessions.check_sessions(root))
    try:
        is_port_used = bool(live_sessions(root))
    except KqError:
        return  # check_sessions has reported why
    if not is_port_used:
        yield from installation.check_ports(settings)
