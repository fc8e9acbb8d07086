"""What tests of the plug-ins share: Katana's API as the host offers it, and a real queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import ConnectionStatus, Session, Settings, start_session

from host import katana_alias
from tests.support.live_queue import until

katana_alias.install()

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A real queue with two Agents, this process's own."""
    session = start_session(Settings(data_root=tmp_path_factory.mktemp("data root")))
    assert session.wait_ready(60), session.failure
    # Its sockets are this fixture's, and not those of the first test that runs meanwhile.
    until(lambda: session.client.status is ConnectionStatus.CONNECTED, "the connection")
    yield session
    session.close()
    assert session.wait(60)


@pytest.fixture
def farm(session: Session) -> Any:
    """The farm plug-in."""
    from katana_queue.plugins.FarmAPI.KatanaQueueFarmPlugin import KatanaQueueFarmPlugin

    return KatanaQueueFarmPlugin()
