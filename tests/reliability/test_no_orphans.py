"""Whatever is killed, nothing of a render stays behind: with real processes, killed with SIGKILL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.killing import KINDS, VICTIMS, kill_and_count

_BY_DAY = {("plain", "agent"), ("double-fork", "server with all agents"), ("setsid", "all of them at once")}
"""Besides the row of the desktop's death, which has every kind of render."""


@pytest.mark.parametrize(
    ("kind", "victim"),
    [
        pytest.param(
            kind,
            victim,
            id=f"{kind}-{victim.replace(' ', '-')}",
            marks=() if victim == "desktop" or (kind, victim) in _BY_DAY else pytest.mark.nightly,
        )
        for kind in KINDS.values()
        for victim in VICTIMS
    ],
)
def test_nothing_of_a_render_survives(kind: str, victim: str, tmp_path: Path) -> None:
    """Some time after the kill (where even the guardian died with all: once the next session has begun) no
    process of the render runs, whatever session or parent it has. How long that takes is in the table."""
    outcome = kill_and_count(tmp_path, victim, kind, wait_s=60.0, KQ_GRACE_S=0.5)
    assert outcome.processes >= 1
    assert outcome.survivors == 0
