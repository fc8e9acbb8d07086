"""Which tests are slow, and how workers share them: the parts of ./test that no single test knows."""

from __future__ import annotations

import os
from typing import Any

import pytest

__all__ = ["FIRST", "ONE_BY_ONE", "ONE_WORKER", "WHOLE_PROGRAMS", "auto_count", "encodable", "scheduler"]

WHOLE_PROGRAMS = (
    "agent/test_attempts.py",
    "agent/test_standby.py",
    "cli",
    "host/test_fidelity.py",
    "host/test_headless.py",
    "host/test_rendering.py",
    "host/test_window.py",
    "house/test_leak_guards.py",
    "plugins/test_registration.py",
    "plugins/test_two_katanas.py",
    "reliability",
    "remote/test_connecting.py",
    "remote/test_launching.py",
    "renderboot/test_process.py",
    "tab/test_real_queue.py",
)
"""Files and folders whose tests start desktops, queues or renders one after the other: all are slow."""


FIRST = (
    "katana/test_folder.py",
    "katana/test_hostile.py",
    "house/test_environment.py",
    "remote/test_second_machine.py",
    "house/test_check.py",
    "house/test_katanas_qt.py",
    "host/test_fidelity.py",
    "renderboot/test_process.py",
    "reliability/test_server_death.py",
    "remote/test_withdrawn_keys.py",
    "remote/test_logging_in.py",
    "remote/test_tunnel.py",
    "remote/test_launching.py",
    "house/test_benchmarks.py",
    "reliability/test_no_orphans.py",
    "tab/test_jobs_model.py",
    "farms/test_opencue.py",
    "cli/test_serve.py",
    "agent/test_standby.py",
    "host/test_headless.py",
    "plugins/test_registration.py",
    "remote/test_scripts.py",
    "reliability/test_leases.py",
    "host/test_rendering.py",
    "cli/test_jobs.py",
    "house/test_leak_guards.py",
    "wire/test_frames.py",
    "house/test_packaging.py",
    "core/test_exploration.py",
)
"""Files that take longest: they begin first, so that no worker has one left at the end."""

ONE_BY_ONE = frozenset(
    {
        "house/test_benchmarks.py",
        "house/test_check.py",
        "house/test_environment.py",
        "reliability/test_no_orphans.py",
        "reliability/test_server_death.py",
    }
)
"""Files of slow tests that share no fixture: workers take them test by test, not file by file."""

ONE_WORKER = frozenset({"katana"})
"""Folders whose files share what takes long to make."""

_PER_CORE = 3
"""Most tests wait for other processes most of the time."""
_MAX = 24
"""More would only wait for the slowest file."""


def auto_count() -> int:
    """How many workers `--numprocesses=auto` starts."""
    return min(_PER_CORE * (os.cpu_count() or 1), _MAX)


def scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler for pytest-xdist: whole files, or tests of ONE_BY_ONE, in the order of collection."""
    from xdist.scheduler import LoadScopeScheduling  # one process needs no pytest-xdist

    class FileScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = nodeid.partition("::")[0].removeprefix("tests/")
            folder = name.partition("/")[0]
            return nodeid if name in ONE_BY_ONE else folder if folder in ONE_WORKER else name

    config.option.loadscopereorder = False  # else by the number of tests
    return FileScheduling(config, log)


def encodable(value: Any) -> Any:
    """A report's data with lone surrogates escaped: a worker that sends one ends, and the run with it."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(key): encodable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(encodable, value))
    return value
