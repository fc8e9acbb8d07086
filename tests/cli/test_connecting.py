"""How a command finds that it has no queue to talk to."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

from kq.cli import connecting
from kq.client.mirror import ConnectionStatus
from kq.client.queue_client import QueueClient
from kq.errors import ConnectionLost


def test_a_session_that_ends_just_then_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has said that it ends: that is why there is no answer, and not a time-out."""
    monkeypatch.setattr(connecting, "find_session", lambda _root: SimpleNamespace(session="s"))
    monkeypatch.setattr(
        QueueClient,
        "connect",
        lambda client, _record: client.set_status(ConnectionStatus.ENDED, "it is over"),
    )
    connected = connecting.Connected(argparse.Namespace(data_root=str(tmp_path)))
    with pytest.raises(ConnectionLost, match="it is over"), connected:
        pytest.fail("there is no queue")
    assert connected.client.join(60)
