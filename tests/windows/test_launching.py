"""Agents on a Windows machine for a desktop on Linux: the way of the dialog, over a real SSH server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.remote import HostStore, RemoteLauncher, RemoteResult
from kq.settings import Settings
from tests.remote.machines import Answers, Reports
from tests.support.live_queue import LiveQueue, until
from tests.windows.machine import WindowsServer
from tests.windows.renders import await_render
from tests.windows.wine import OLD_PYTHON, PREFIX, USERS, Wine, windows_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WAIT_S = 300.0


@pytest.fixture
def queue(tmp_path: Path, desktop: Path) -> Iterator[LiveQueue]:
    """A queue without local Agents: what is rendered is rendered there."""
    with LiveQueue(tmp_path / "data root", 0, KQ_HEARTBEAT_S=0.5, KQ_LEASE_S=15) as live:
        yield live


@pytest.fixture
def answers() -> Answers:
    """Accepts host keys, and nothing else."""
    return Answers()


@pytest.fixture
def launcher(queue: LiveQueue, answers: Answers, desktop: Path) -> Iterator[RemoteLauncher]:
    """A launcher of the queue's session, as the dialog has one."""
    settings = Settings.from_environment(queue.environment)
    made = RemoteLauncher(queue.client, settings, answers, HostStore(desktop / "hosts.json"))
    yield made
    made.close()


def target(machine: WindowsServer, katana: Path, **fields: object) -> object:
    """What an artist would fill in."""
    asked = {"kq_host": "127.0.0.1", "katana_root": windows_path(katana), "num_agents": 2}
    return machine.target(**{**asked, **fields})


def remote_agents(queue: LiveQueue) -> list[str]:
    return [each.id for each in queue.client.agents() if each.state in ("Idle", "Busy")]


def nothing_left(machine: WindowsServer) -> bool:
    return not any(machine.processes().values()) and not machine.supervised()


def step(result: RemoteResult, name: str) -> str:
    return next(each.message for each in result.steps if each.name == name)


def test_the_whole_way(
    queue: LiveQueue, machine: WindowsServer, katana: Path, launcher: RemoteLauncher
) -> None:
    """Check, launch, a render whose log and picture come back, a killed Agent replaced, a restart, stop."""
    reports, host = Reports(), target(machine, katana)
    checked = launcher.check(host, reports)
    assert checked.ok, reports.text()
    assert "Windows" in step(checked, "System") and not machine.processes()["supervisor"]
    assert step(checked, "Render program") == windows_path(katana / "bin" / "renderboot.exe")
    started = launcher.start(host, reports)
    assert started.ok, reports.text()
    running = machine.processes()
    assert len(running["supervisor"]) == 1 and len(running["agent"]) == 2, "they outlive the SSH session"
    _, log, picture = await_render(queue.client, queue.data_root)
    assert windows_path(machine.state) in log and "transferred" in log
    assert (picture.width(), picture.height()) == (480, 270)
    [supervised] = machine.supervised()
    killed = supervised["agents"][0]
    machine.end_process(killed[1])
    until(lambda: len(set(remote_agents(queue)) - {killed[0]}) == 2, "another Agent", WAIT_S)
    before = set(remote_agents(queue))
    restarted = sorted(before - {killed[0]})[0]
    queue.client.restart_agents([restarted]).result(WAIT_S)
    until(lambda: set(remote_agents(queue)) - before, "the Agent that comes for the restarted one", WAIT_S)
    stopped = launcher.stop(host, reports)
    assert stopped.ok, reports.text()
    until(lambda: nothing_left(machine), "all to be gone", WAIT_S)


def test_by_the_tunnel_until_the_desktop_closes(
    queue: LiveQueue, machine: WindowsServer, katana: Path, launcher: RemoteLauncher, answers: Answers
) -> None:
    """A key with a passphrase; the machine reaches the desktop through SSH alone; the data root is shared.
    Started twice they run once; when the desktop ends, they do."""
    key = machine.make_key(machine.folder / "with a passphrase", "schöne Worte")
    machine.authorize(key)
    answers.passphrases = ["wrong", "schöne Worte"]
    host = target(
        machine,
        katana,
        private_key=str(key),
        tunnel=True,
        num_agents=1,
        data_root=windows_path(queue.data_root),
    )
    reports = Reports()
    started = launcher.start(host, reports)
    assert started.ok, reports.text()
    assert [each.startswith("passphrase") for each in answers.asked] == [False, True, True]
    assert "shared" in step(started, "KQ_DATA_ROOT")
    running = machine.processes()
    again = launcher.start(host, reports)
    assert again.ok and machine.processes() == running, reports.text()
    _, _, picture = await_render(queue.client, queue.data_root)
    assert picture.width() == 480
    queue.close()
    launcher.close()
    until(lambda: nothing_left(machine), "the Agents to end by themselves", WAIT_S)


def test_a_changed_host_key_is_refused(
    machine: WindowsServer, katana: Path, launcher: RemoteLauncher, answers: Answers
) -> None:
    """And where the right one is found over there is said as Windows has it."""
    host = target(machine, katana)
    answers.accept = False
    unknown = launcher.check(host, Reports()).message
    assert "not accepted" in unknown and "ProgramData" in unknown
    answers.accept = True
    assert launcher.check(host, Reports()).ok
    machine.close()
    machine.new_host_key()
    machine.start()
    refused = launcher.start(host, Reports())
    assert not refused.ok and "CHANGED" in refused.message, refused.message
    assert nothing_left(machine)


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({"python": windows_path(OLD_PYTHON)}, "3.10.11"),
        ({"python": "C:\\[3.11]\\python.exe"}, "[3.11]"),
        ({"python": "C:\\nowhere\\python.exe"}, "C:\\nowhere"),
        ({"kq_root": "Q:\\katana queue"}, "Q:\\katana queue"),
    ],
    ids=["too old", "brackets", "no Python", "no drive"],
)
def test_what_is_missing_there_is_named(
    machine: WindowsServer, katana: Path, launcher: RemoteLauncher, fields: dict[str, str], fact: str
) -> None:
    """The check ends at that step, which has the path or version; nothing is started."""
    result = launcher.check(target(machine, katana, **fields), Reports())
    assert not result.ok and fact in result.message, result.message
    assert nothing_left(machine)


def test_a_powershell_that_ends_with_nothing_said(
    wine: Wine, profile: Path, katana: Path, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """Wine's own is one: the step says that PowerShell does not run there, and nothing else is tried."""
    with WindowsServer(tmp_path / "silent", wine, profile, WINEPATH="C:\\windows") as machine:
        result = launcher.start(target(machine, katana), Reports())
    assert not result.ok and "PowerShell" in result.message, result.message
    assert result.steps[-1].name == "System"


def test_a_user_without_a_profile_folder(
    powershell: Wine, profile: Path, katana: Path, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """The step that needs the folder names it; nothing is written beside the folders of other users."""
    missing = windows_path(USERS / "no profile")
    with WindowsServer(tmp_path / "machine", powershell, profile, KQ_TEST_PROFILE=missing) as machine:
        result = launcher.start(target(machine, katana), Reports())
        assert nothing_left(machine)
    assert not result.ok and missing in result.message, result.message
    assert result.steps[-1].name == "Disk" and not (USERS / "no profile").exists()


def test_a_home_on_a_share_without_a_letter(
    powershell: Wine, profile: Path, katana: Path, launcher: RemoteLauncher, tmp_path: Path
) -> None:
    """The profile is a network folder: cmd cannot begin in it, and all else is found there. The data root
    is on a drive that is missing there: files are sent."""
    share = PREFIX / "dosdevices" / "unc" / "filer"
    share.mkdir(parents=True, exist_ok=True)
    (share / "homes").symlink_to(profile.parent)
    home = f"\\\\filer\\homes\\{profile.name}"
    try:
        with WindowsServer(tmp_path / "machine", powershell, profile, KQ_TEST_PROFILE=home) as machine:
            host = target(machine, katana, num_agents=1, data_root="Q:\\no such drive")
            reports = Reports()
            started = launcher.start(host, reports)
            assert started.ok, reports.text()
            assert machine.supervised()
            assert launcher.stop(host, reports).ok, reports.text()
            until(lambda: nothing_left(machine), "all to be gone", WAIT_S)
    finally:
        (share / "homes").unlink()
        share.rmdir()
