"""StartAgents.ps1 and StopAgents.ps1 by hand, in a real PowerShell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kq.remote.quoting import powershell_quote
from tests.support.live_queue import ROOT
from tests.windows.wine import PYTHON, Wine, windows_path

pytestmark = pytest.mark.slow

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
