"""A Windows, and a PowerShell on it: shared by the files of this folder. `./test --windows` runs them."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_queue import ROOT
from tests.windows.machine import WindowsServer
from tests.windows.wine import PREFIX, PYTHON, USERS, Wine, why_no_powershell, why_no_wine

WAIT_S = 300.0
KATANA = PREFIX / "drive_c" / "Katana ü世"


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """A Windows that is up."""
    reason = why_no_wine()
    if reason:
        pytest.skip(reason)
    with Wine(tmp_path_factory.mktemp("programs")) as made:
        yield made


@pytest.fixture(scope="session")
def powershell(request: pytest.FixtureRequest) -> Wine:
    """The same, with a PowerShell."""
    reason = why_no_powershell()
    if reason:
        pytest.skip(reason)
    made = request.getfixturevalue("wine")
    assert isinstance(made, Wine)
    return made


@pytest.fixture
def profile(wine: Wine) -> Iterator[Path]:
    """The empty folder of a user whose name has letters that no one code page has."""
    folder = USERS / "an artist\u2019s home ü世"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have kq wait longer: on a busy machine Wine starts a PowerShell several times slower."""
    for package in ("kq", "katana_queue.kq"):  # the tests use the one, the plug-ins the other
        connection = importlib.import_module(f"{package}.remote.ssh").Connection

        def run(*arguments: Any, __run: Callable[..., Any] = connection.run, **named: Any) -> Any:
            return __run(*arguments, **{**named, "timeout_s": WAIT_S})

        monkeypatch.setattr(connection, "run", run)
        monkeypatch.setattr(f"{package}.remote.launcher._REGISTER_TIMEOUT_S", WAIT_S)


@pytest.fixture
def machine(powershell: Wine, profile: Path, tmp_path: Path) -> Iterator[WindowsServer]:
    """The Windows machine. What a failed test left there is ended."""
    with WindowsServer(tmp_path / "machine", powershell, profile) as made:
        yield made
        made.kill_programs()


@pytest.fixture(scope="module")
def katana() -> Iterator[Path]:
    """Katana's folder there, with a Python, a render program, and Katana Queue."""
    shutil.rmtree(KATANA, ignore_errors=True)
    Wine.forward(KATANA / "bin" / "python.exe", PYTHON)
    Wine.forward(KATANA / "bin" / "renderboot.exe", PYTHON, "-m", "host.renderboot")
    for name in ("kq", "host"):
        (KATANA / name).symlink_to(ROOT / name)
    yield KATANA
    shutil.rmtree(KATANA)


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Katana's folder and the user's home on the desktop's machine; returns the home."""
    program = tmp_path / "katana" / "bin" / "renderboot"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'only the machine with Windows renders'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("KATANA_ROOT", str(tmp_path / "katana"))
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home
