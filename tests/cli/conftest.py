"""A queue that the tests of one file share: they only look at jobs of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live_queue import LiveQueue


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveQueue]:
    """A queue with two Agents."""
    root = tmp_path_factory.mktemp("data root")
    with LiveQueue(root, 2, KQ_HEARTBEAT_S=0.2) as live:
        # Made here, so that its thread and its sockets are no single test's.
        live.await_agents()
        yield live
