"""The site's farms that KQ_FARMS names, opened once for the UI session: farm plug-ins and tab share them.

All functions: Qt's thread. A farm has a thread of its own, on which its commands are waited for.
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
    """The farms of KQ_FARMS, as far as they can be used now."""

    farms: Mapping[str, Farm]
    """By name, in the order of KQ_FARMS."""
    is_complete: bool
    """False: where their jobs are is not known yet, as the session is only starting; ask again."""


_opened: dict[str, Farm] = {}
_data_root: Path | None = None
"""Of the farms that are open: another session in this process may have another."""


def named_farms(environment: Mapping[str, str] | None = None) -> list[str]:
    """The names in KQ_FARMS that kq knows, each once."""
    return [name for name in _names(environment) if name in FARM_TITLES]


def unknown_farms(environment: Mapping[str, str] | None = None) -> str:
    """What is wrong with KQ_FARMS, for people; empty: nothing."""
    unknown = [name for name in _names(environment) if name not in FARM_TITLES]
    if not unknown:
        return ""
    return (
        f"{FARMS_VARIABLE} names {', '.join(unknown)}, which kq does not know: use {', '.join(FARM_TITLES)}"
    )


def open_farms() -> SiteFarms:
    """The farms, opened now where they were not."""
    global _data_root  # there is one session in a process
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
    """Give a job to a farm that is open, with the options of the environment and of its node.

    Args:
        copy_files: its folder is another job's, and may be gone before this one is over.

    The future raises as that of Farm.submit.
    """
    options = {**farm_options(name), **node_options(spec.node)}
    return _opened[name].submit(job_id, spec, options, copy_files=copy_files)


def farm_options(name: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every job asks of a farm, by KQ_<NAME>_OPTIONS: `partition=render,memory=8G,minutes=60`.

    Parts without `=` are left out, with a line in the log.
    """
    variable = f"KQ_{name.upper()}_OPTIONS"
    return _options((os.environ if environment is None else environment).get(variable, ""), variable)


def node_options(node_name: str) -> dict[str, str]:
    """What a node's jobs ask of a farm, by its parameter `farmOptions`, also among its user parameters."""
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
    """`name=value` with commas in between; a value may hold commas, too."""
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
        _opened.popitem()[1].close(0)  # not waited for: jobs go on at the farm
