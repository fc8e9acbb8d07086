"""Alternative systems in a comparable setup: two workers that each start a process and wait for it.

They come with the optional group `bench`; without it they are reported as not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["PEERS", "Submit", "installed_peers", "missing_peers"]

Submit = Callable[[Sequence[str]], Callable[[], Any]]
"""Takes a command, returns at once a function that waits for its end."""


@contextmanager
def _ipyparallel() -> Iterator[Submit]:
    ipyparallel = importlib.import_module("ipyparallel")
    with ipyparallel.Cluster(n=2, log_level=40) as client:
        client.wait_for_engines(2, timeout=60)
        view = client.load_balanced_view()
        yield lambda command: view.apply_async(subprocess.call, list(command)).get


@contextmanager
def _dask() -> Iterator[Submit]:
    distributed = importlib.import_module("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield lambda command: client.submit(subprocess.call, list(command), pure=False).result


PEERS = {"ipyparallel": _ipyparallel, "distributed": _dask}


def missing_peers() -> list[str]:
    """Names of the peers that cannot be imported here."""
    return [name for name in PEERS if importlib.util.find_spec(name) is None]


@contextmanager
def installed_peers() -> Iterator[dict[str, Submit]]:
    """Start each installed peer; all are there at once, so that their figures can be interleaved."""
    with ExitStack() as stack:
        missing = missing_peers()
        yield {name: stack.enter_context(make()) for name, make in PEERS.items() if name not in missing}
