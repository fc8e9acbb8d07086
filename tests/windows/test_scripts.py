"""StartAgents.ps1 and StopAgents.ps1 by hand, in a real PowerShell."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kq.remote.quoting import powershell_quote
from tests.support.live_queue import ROOT, LiveQueue, until
from tests.windows.wine import OLD_PYTHON, PYTHON, Wine, python_processes, windows_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WAIT_S = 300.0

SCRIPTS = ROOT / "resources" / "scripts"
UTF8 = "[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false; "
HERE = windows_path(ROOT)


class Hand:
    """Somebody at a PowerShell of that machine, in the user's folder, where both scripts are."""

    def __init__(self, wine: Wine, profile: Path) -> None:
        self.wine = wine
        self.profile = profile
        self.python = windows_path(PYTHON)
        for name in ("StartAgents.ps1", "StopAgents.ps1"):
            shutil.copy(SCRIPTS / name, profile)

    def type(self, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Have a line run, with KQ_PYTHON set unless it is among `variables`."""
        return self.wine.powershell(
            line, profile=windows_path(self.profile), **{"KQ_PYTHON": self.python, **variables}
        )


@pytest.fixture
def hand(powershell: Wine, profile: Path) -> Hand:
    """At the PowerShell."""
    return Hand(powershell, profile)


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ("C:\\k C:\\d host", ["seven arguments", "3 were given"]),
        ("C:\\My Katana C:\\d host 1 2 3 2", ["seven arguments", "8 were given", "quotation marks"]),
        ("C:\\k C:\\d host 1 2 x 2", ["'x'"]),
        ("C:\\k C:\\d host 1 2 3 -1", ["'-1'"]),
        ("C:\\k C:\\d host 1 2,3 4 2", ["'2 3'"]),
        ("C:\\a,b C:\\d host 1 2 3 2", ["C:\\a,b"]),
        ("'C:\\it''s \u201cü世\u201d' C:\\d host 1 2 3 2", ["C:\\it's \u201cü世\u201d"]),
        ("Q:\\katana C:\\d host 1 2 3 2", ["Q:\\katana"]),
    ],
)
def test_bad_arguments_are_refused(hand: Hand, arguments: str, facts: list[str]) -> None:
    """In one line that names them, letter by letter; the shell has its encoding and variables again."""
    script = (
        "$before = [Console]::OutputEncoding.CodePage; $Env:PYTHONUTF8 = 'mine'; "
        f".\\StartAgents.ps1 {arguments}; "
        '"$LASTEXITCODE $([Console]::OutputEncoding.CodePage -eq $before) $Env:PYTHONUTF8"'
    )
    done = hand.type(script)
    assert done.stdout.splitlines()[-1] == "2 True mine", done
    [line] = done.stderr.strip().splitlines()
    assert all(fact in line for fact in facts), line


@pytest.mark.parametrize("script", ["StartAgents.ps1 C:\\k C:\\d host 1 2 3 2", "StopAgents.ps1"])
def test_a_user_without_a_profile_folder(hand: Hand, script: str) -> None:
    """Such a login is given none of its own: nothing is written to the root of some drive."""
    done = hand.type(f"$Env:USERPROFILE = 'C:\\users\\nobody'; .\\{script}; exit $LASTEXITCODE")
    assert done.returncode == 2
    assert "C:\\users\\nobody" in done.stderr and "KQ_REMOTE_DIR" in done.stderr


@pytest.mark.parametrize(
    ("python", "fact"),
    [
        ("C:\\nowhere\\python.exe", "C:\\nowhere\\python.exe"),
        ("C:\\windows\\system32\\hostname.exe", "hostname.exe"),
        ("C:\\[3.11]\\python.exe", "[3.11]"),
        (windows_path(OLD_PYTHON), "3.10.11"),
    ],
)
def test_no_python_that_can_be_used(hand: Hand, python: str, fact: str) -> None:
    """There is none, it is too old or no Python at all, or its path is a pattern to Windows PowerShell."""
    done = hand.type(
        f"{UTF8}.\\StartAgents.ps1 {powershell_quote(HERE)} C:\\d host 1 2 3 2; exit $LASTEXITCODE",
        KQ_PYTHON=python,
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert fact in line and "Python 3.11" in line


def test_without_a_key_it_says_how_to_get_one(hand: Hand) -> None:
    """Whose path has letters of no one code page, and is shown with them."""
    done = hand.type(f".\\StartAgents.ps1 {powershell_quote(HERE)} C:\\d host 1 2 3 2; exit $LASTEXITCODE")
    assert done.returncode == 2, done
    assert "kq remote key" in done.stderr and "ü世\\.katana-queue\\connection.json" in done.stderr


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[LiveQueue]:
    """A queue without local Agents."""
    with LiveQueue(tmp_path / "data root", 0, KQ_HEARTBEAT_S=0.5, KQ_LEASE_S=15) as live:
        yield live


@pytest.fixture
def arguments(hand: Hand, queue: LiveQueue) -> Iterator[str]:
    """Of StartAgents for one Agent, with backslashes at their ends; the session's key is where it looks."""
    done = queue.kq("remote", "key", "farm-w", "--kq-host", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    (hand.profile / ".katana-queue").mkdir()
    (hand.profile / ".katana-queue" / "connection.json").write_text(done.stdout)
    connection = json.loads(done.stdout)["connection"]
    ports = " ".join(str(connection[f"{name}_port"]) for name in ("request", "update", "broadcast"))
    yield f"{powershell_quote(HERE + chr(92))} 'C:\\no ü share\\' 127.0.0.1 {ports} 1"
    hand.type(".\\StopAgents.ps1 --all")


def supervised(hand: Hand) -> list[dict[str, Any]]:
    """What the supervisors there wrote of themselves."""
    found = (hand.profile / ".katana-queue" / "sessions").glob("*/supervisor.json")
    return [json.loads(path.read_bytes()) for path in found]


@pytest.mark.parametrize("passing", ["Standard", "Legacy"])
def test_started_twice_and_stopped_by_hand(
    hand: Hand, queue: LiveQueue, arguments: str, passing: str
) -> None:
    """Started twice is started once; by both ways in which a PowerShell passes arguments."""
    start = (
        f"$PSNativeCommandArgumentPassing = '{passing}'; .\\StartAgents.ps1 {arguments}; exit $LASTEXITCODE"
    )
    first = hand.type(start)
    assert first.returncode == 0 and " launched, process " in first.stdout, first
    until(lambda: [each for each in queue.client.agents() if each.state == "Idle"], "the Agent", WAIT_S)
    before = supervised(hand)
    again = hand.type(start)
    assert again.returncode == 0 and "launched" not in again.stdout, again
    assert [each["agents"] for each in supervised(hand)] == [each["agents"] for each in before]
    stopped = hand.type(".\\StopAgents.ps1; exit $LASTEXITCODE")
    assert stopped.returncode == 0 and "1 Agent ended" in stopped.stdout, stopped
    assert not supervised(hand)


def test_started_twice_in_the_same_instant(hand: Hand, queue: LiveQueue, arguments: str) -> None:
    """One launches the Agent, the other finds it running: neither ends what the other has started."""
    ready = [hand.profile / f"ready {number}" for number in range(2)]
    starts = [
        f"New-Item {powershell_quote(own.name)}; while (-not (Test-Path {powershell_quote(other.name)})) "
        f"{{ Start-Sleep -Milliseconds 10 }}; .\\StartAgents.ps1 {arguments}; exit $LASTEXITCODE"
        for own, other in (ready, ready[::-1])
    ]
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(hand.type, starts))
    assert [each.returncode for each in done] == [0, 0], done
    assert sorted(" launched, " in each.stdout for each in done) == [False, True], done
    [of_session] = supervised(hand)
    assert len(of_session["agents"]) == 1
    assert len([words for words in python_processes().values() if "supervise" in words]) == 1
    until(lambda: [each for each in queue.client.agents() if each.state == "Idle"], "the Agent", WAIT_S)


@pytest.mark.parametrize("moment", ["connection.json", "supervisor.json"])
def test_stopped_while_it_starts(hand: Hand, queue: LiveQueue, arguments: str, moment: str) -> None:
    """Before and after the supervisor runs. The start fails with the reason, or its Agents are ended; nothing
    is left running."""
    stop = (
        f"New-Item ready; while (-not (Test-Path .katana-queue\\sessions\\*\\{moment})) "
        "{ Start-Sleep -Milliseconds 10 }; .\\StopAgents.ps1; exit $LASTEXITCODE"
    )
    with ThreadPoolExecutor(1) as other:
        stopping = other.submit(hand.type, stop)
        until((hand.profile / "ready").exists, "the PowerShell that stops", WAIT_S)
        started = hand.type(f".\\StartAgents.ps1 {arguments}; exit $LASTEXITCODE")
        stopped = stopping.result(WAIT_S)
    assert stopped.returncode == 0 and " ended, " in stopped.stdout, stopped
    assert started.returncode == 0 or "StopAgents" in started.stderr, started
    until(lambda: not supervised(hand) and not python_processes(), "all to be gone", WAIT_S)
