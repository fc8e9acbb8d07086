"""Opens the farms named in KQ_FARMS once per UI session; the farm plug-ins and the tab share them.

All functions: Qt's thread, and none of them waits: a farm runs its commands on its own thread.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from Katana import Callbacks, NodegraphAPI

from ..kq.api import FARM_TITLES, Farm, JobSpec, current_session, open_farm

__all__ = [
    "SiteFarms",
    "farm_options",
    "named_farms",
    "node_options",
    "open_farms",
    "submit",
    "unknown_farms",
]

FARMS_VARIABLE = "KQ_FARMS"

_log = logging.getLogger("KatanaQueue")


class SiteFarms(NamedTuple):
    """The farms named in KQ_FARMS that are open now."""

    farms: Mapping[str, Farm]
    """By their names in KQ_FARMS, in its order."""
    is_complete: bool
    """False while the session's data root is unknown, as it is starting: call `open_farms` again later."""


_opened: dict[str, Farm] = {}
_data_root: Path | None = None
"""The data root of the farms in `_opened`. A later session in this process may have another one."""


def named_farms(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names in KQ_FARMS that kq supports, without duplicates, in their order.

    Args:
        environment: the variables to read; None: those of this process.
    """
    return [name for name in _names(environment) if name in FARM_TITLES]


def unknown_farms(environment: Mapping[str, str] | None = None) -> str:
    """Return an error message about names in KQ_FARMS that kq does not support; empty when there are none."""
    unknown = [name for name in _names(environment) if name not in FARM_TITLES]
    if not unknown:
        return ""
    return (
        f"{FARMS_VARIABLE} names {', '.join(unknown)}, which kq does not know: use {', '.join(FARM_TITLES)}"
    )


def open_farms() -> SiteFarms:
    """Open the farms of KQ_FARMS that are not open yet, and return all of them."""
    global _data_root  # one session at a time in a process
    names = named_farms()
    if not names:
        return SiteFarms({}, True)
    session = current_session()
    if session is None or session.settings is None:
        return SiteFarms({}, False)
    if session.settings.data_root != _data_root:
        _close()
        _data_root = session.settings.data_root
        Callbacks.addCallback(Callbacks.Type.onShutdown, _on_shutdown)
    for name in names:
        if name not in _opened:
            _opened[name] = open_farm(name, _data_root)
    return SiteFarms({name: _opened[name] for name in names}, True)


def submit(name: str, job_id: str, spec: JobSpec, *, copy_files: bool = False) -> Future[None]:
    """Submit a job to a farm that is open, with the options of the environment and of the job's node.

    Args:
        name: the farm's name in KQ_FARMS.
        job_id: the id of the new job.
        spec: what to run.
        copy_files: copy the job's files, since `spec.temp_dir` belongs to another job and may be deleted.

    Returns:
        A future that raises the errors of `Farm.submit`.
    """
    options = {**farm_options(name), **node_options(spec.node)}
    return _opened[name].submit(job_id, spec, options, copy_files=copy_files)


def farm_options(name: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the submit options of all jobs on a farm, from KQ_<NAME>_OPTIONS.

    An example of its value: `partition=render,memory=8G,minutes=60`. Parts without `=` are skipped with a
    warning in the log.
    """
    variable = f"KQ_{name.upper()}_OPTIONS"
    return _options((os.environ if environment is None else environment).get(variable, ""), variable)


def node_options(node_name: str) -> dict[str, str]:
    """Return the submit options of a node's jobs, from its parameters `farmOptions` and `user.farmOptions`.

    The format is that of `farm_options`; the user parameter wins. Empty when the node does not exist.
    """
    node = NodegraphAPI.GetNode(node_name) if node_name else None
    if node is None:
        return {}
    found: dict[str, str] = {}
    for path in ("farmOptions", "user.farmOptions"):
        parameter = node.getParameter(path)
        if parameter is not None:
            text = parameter.getValue(NodegraphAPI.GetCurrentTime())
            found.update(_options(str(text or ""), f"{node_name}.{path}"))
    return found


def _options(text: str, where: str) -> dict[str, str]:
    """Parse comma-separated `name=value` pairs; a value may contain commas. `where` is for the warning."""
    found = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        key, equals, value = part.strip().partition("=")
        if equals and key:
            found[key.strip()] = value.strip()
        elif part.strip():
            _log.warning("%s: %r is not understood: write name=value", where, part.strip())
    return found


def _names(environment: Mapping[str, str] | None) -> list[str]:
    text = (os.environ if environment is None else environment).get(FARMS_VARIABLE, "")
    return list(dict.fromkeys(text.lower().replace(",", " ").split()))


def _on_shutdown(objectHash: object = None, **_kwargs: object) -> None:
    _close()


def _close() -> None:
    global _data_root
    _data_root = None
    while _opened:
        _opened.popitem()[1].close(0)  # 0: do not wait; the jobs continue on the farm
