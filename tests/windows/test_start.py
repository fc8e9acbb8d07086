"""start.ps1 and test.ps1 in a real PowerShell: is the environment made once, wholly, and on any share?

With a requirements file of one small wheel: what the project needs itself takes a network and minutes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kq.remote.quoting import powershell_quote
from tests.house.test_environment import make_wheel
from tests.support.live_queue import ROOT
from tests.windows.wine import OLD_PYTHON, PYTHON, Wine, windows_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PRINT = "import json, sys, demo; print(json.dumps([demo.VERSION, *sys.argv[1:]], ensure_ascii=False))\n"


def require(checkout: Path, name: str, version: str) -> None:
    """Have requirements/NAME.txt ask for that version of the wheel `demo`."""
    line = make_wheel(checkout.parent, version).replace("file:///", "file:///Z:/")
    (checkout / "requirements" / f"{name}.txt").write_text(line)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose desktop and tests print their arguments; its path has letters of no code page."""
    root = tmp_path / "Katana Queue (ü世)"
    (root / "requirements").mkdir(parents=True)
    (root / "tools" / "windows").mkdir(parents=True)
    for name in ("start.ps1", "test.ps1", "tools/environment.ps1", "tools/windows/rooms.txt"):
        shutil.copy(ROOT / name, root / name)
    for package in ("host/app", "pytest", "kq"):
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").touch()
        (root / package / "__main__.py").write_text(PRINT)
    require(root, "host", "1.0")
    return root


def run(
    wine: Wine, checkout: Path, line: str, python: str = windows_path(PYTHON)
) -> subprocess.CompletedProcess[str]:
    """Type a line in the checkout; `python` there is an alias, for PowerShell finds no PATH under Wine."""
    return wine.powershell(
        f"Set-Alias python {powershell_quote(python)}; "
        f"Set-Location -LiteralPath {powershell_quote(windows_path(checkout))}; {line}; exit $LASTEXITCODE"
    )


def printed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the program printed: the wheel's version and its arguments."""
    assert done.returncode == 0, done
    return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("hidden", [True, False], ids=["dot files hidden", "dot files shown"])
def test_an_environment_is_made_once(powershell: Wine, checkout: Path, hidden: bool) -> None:
    """The first start installs, the second does nothing, the next requirements are installed into the same;
    and what was cut off starts again from nothing."""
    with powershell.dot_files(hidden=hidden):
        first = run(powershell, checkout, ".\\start.ps1")
        assert printed(first) == ["1.0"]
        assert "==> Making .venv" in first.stderr and "==> Ready" in first.stderr
        second = run(powershell, checkout, ".\\start.ps1")
        assert printed(second) == ["1.0"] and not second.stderr.strip()
        require(checkout, "host", "2.0")
        third = run(powershell, checkout, ".\\start.ps1")
        assert printed(third) == ["2.0"]
        assert "==> Installing" in third.stderr and "==> Making .venv" not in third.stderr
        (checkout / ".venv" / "incomplete").touch()
        half = checkout / ".venv" / ".half done"
        half.touch()
        fourth = run(powershell, checkout, ".\\start.ps1")
        assert printed(fourth) == ["2.0"]
        assert "==> Making .venv" in fourth.stderr and not half.exists()


def test_an_environment_that_is_in_use_is_named(powershell: Wine, checkout: Path) -> None:
    """A file of it is open in another program: one line says so, and the next start makes all of it anew."""
    assert printed(run(powershell, checkout, ".\\start.ps1")) == ["1.0"]
    incomplete = checkout / ".venv" / "incomplete"
    incomplete.touch()
    held = windows_path(checkout / ".venv" / "Lib" / "site-packages" / "demo.py")
    hold = f"$held = [IO.File]::Open({powershell_quote(held)}, 'Open', 'Read', 'Read')"
    done = run(powershell, checkout, f"{hold}; .\\start.ps1")
    assert done.returncode == 1 and incomplete.exists()
    [line] = [each for each in done.stderr.splitlines() if "start.ps1: " in each]
    assert "demo.py" in line and "removed" in line
    assert printed(run(powershell, checkout, ".\\start.ps1")) == ["1.0"]


def test_arguments_arrive_as_they_were_typed(powershell: Wine, checkout: Path) -> None:
    """With commas, spaces, quotation marks and a backslash at the end; and the shell is as it was."""
    line = (
        "$before = [Console]::OutputEncoding.CodePage; $Env:PYTHONPATH = 'C:\\mine'; $Env:PYTHONUTF8 = '0'; "
        ".\\start.ps1 'C:\\a b\\it''s \u201cü\u201d.usda' --frame 1,2 --out C:\\out\\; "
        '"$([Console]::OutputEncoding.CodePage -eq $before) $Env:PYTHONPATH $Env:PYTHONUTF8 "'
        ' + "$Env:KATANA_RESOURCES."'
    )
    done = run(powershell, checkout, line)
    *_, words, after = done.stdout.splitlines()
    assert json.loads(words) == [
        "1.0", "C:\\a b\\it's \u201cü\u201d.usda", "--frame", "1,2", "--out", "C:\\out",
    ]  # fmt: skip
    assert after == "True C:\\mine 0 ."


def test_the_tests_have_an_environment_too(powershell: Wine, checkout: Path) -> None:
    """test.ps1 makes it, runs what runs on Windows or what is asked for, and ends with its code."""
    require(checkout, "dev", "3.0")
    rooms = (ROOT / "tools" / "windows" / "rooms.txt").read_text().split()
    assert printed(run(powershell, checkout, ".\\test.ps1")) == ["3.0", *rooms]
    (checkout / "pytest" / "__main__.py").write_text(f"{PRINT}sys.exit(5)\n")
    done = run(powershell, checkout, ".\\test.ps1 tests/core -k 'a b'")
    assert done.returncode == 5 and not done.stderr.strip()
    assert json.loads(done.stdout) == ["3.0", "tests/core", "-k", "a b"]


@pytest.mark.parametrize(
    ("python", "fact"),
    [
        ("C:\\windows\\system32\\hostname.exe", "winget"),
        (windows_path(OLD_PYTHON), "python is Python 3.10.11"),
    ],
    ids=["no Python", "too old"],
)
def test_no_python_that_can_be_used(powershell: Wine, checkout: Path, python: str, fact: str) -> None:
    """One line says what is needed, what is there, and how it is had; nothing is made."""
    done = run(powershell, checkout, ".\\start.ps1", python=python)
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "Python 3.11" in line and "winget" in line and fact in line
    assert not (checkout / ".venv").exists()


def test_an_environment_of_linux_is_left_alone(powershell: Wine, checkout: Path) -> None:
    """A checkout on a share that both systems use: neither deletes the other's."""
    theirs = checkout / ".venv" / "bin" / "python"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    done = run(powershell, checkout, ".\\start.ps1")
    assert done.returncode == 1 and ".venv" in done.stderr and theirs.exists()


def test_a_checkout_whose_path_is_a_pattern(powershell: Wine, checkout: Path) -> None:
    """Windows PowerShell would call another program, or none."""
    moved = checkout.rename(checkout.with_name("kq [2]"))
    for script in ("start", "test"):
        done = run(powershell, moved, f".\\{script}.ps1")
        assert done.returncode == 1
        [line] = done.stderr.strip().splitlines()
        assert "[2]" in line
