"""A queue, another machine, and a launcher: shared by the files of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.remote import HostStore, RemoteLauncher
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine
from tests.support.live_queue import LiveQueue

LEASE_S = 6.0


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveQueue]:
    """A queue with one local Agent, quick to miss the others."""
    root = tmp_path_factory.mktemp("data root")
    with LiveQueue(root, 1, KQ_HEARTBEAT_S=0.2, KQ_LEASE_S=LEASE_S, KQ_GRACE_S=0.5) as live:
        live.await_agents()
        yield live


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteMachine]:
    """A machine behind loopback; its home's name has a blank and quotation marks."""
    folder = tmp_path_factory.mktemp("machine")
    with RemoteMachine(folder, home_name="an artist's home") as made:
        yield made


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The desktop user's home: no test writes to anybody's known_hosts."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    for name in ("HOME", "USERPROFILE"):  # as Windows calls it
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("KQ_REMOTE_DIR", raising=False)
    return home


@pytest.fixture
def answers() -> Answers:
    """Accepts host keys, and nothing else."""
    return Answers()


@pytest.fixture
def launcher(queue: LiveQueue, answers: Answers, own_home: Path) -> Iterator[RemoteLauncher]:
    """A launcher of the queue's session."""
    settings = Settings.from_environment(queue.environment)
    made = RemoteLauncher(queue.client, settings, answers, HostStore(own_home / "hosts.json"))
    yield made
    made.close()
