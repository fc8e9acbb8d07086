"""What is asked for of a machine is done as asked, or refused: nothing else instead."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest

from kq.errors import BadInput
from kq.remote import HostStore, RemoteHost, RemoteLauncher, StepState, preflight
from kq.remote.machine import PosixMachine
from kq.remote.steps import Cancelled, Steps
from kq.remote.windows_machine import WindowsMachine
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports
from tests.remote.test_connecting import broken
from tests.support.live_queue import LiveQueue


@pytest.fixture
def checker(tmp_path: Path, answers: Answers, own_home: Path) -> RemoteLauncher:
    """A launcher without a queue."""
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    return RemoteLauncher(None, settings, answers, HostStore(own_home / "hosts.json"))


def test_no_other_kq_is_taken_than_the_one_that_was_named(
    checker: RemoteLauncher, machine: RemoteMachine
) -> None:
    """Though there is one where it is expected: somebody wants that version, or mistyped."""
    name, message = broken(checker, machine.target(kq_root="/no/such/kq"))
    assert name == "Katana Queue" and " 127.0.0.1 " in message and "/no/such/kq" in message


@pytest.mark.parametrize("field", ["katana_root", "kq_root", "data_root"])
def test_folders_are_whole_paths(checker: RemoteLauncher, field: str) -> None:
    """A relative one would count from wherever a login begins. Those of Windows are whole as well."""
    RemoteHost(host="farm-w", **{field: r"D:\farm"}).check()
    RemoteHost(host="farm-w", **{field: r"\\share\farm"}).check()
    with pytest.raises(BadInput, match=r"'rel/farm'.*absolute"):
        RemoteHost(host="farm-w", **{field: "rel/farm"}).check()


def test_a_check_does_not_change_what_worked(
    checker: RemoteLauncher, machine: RemoteMachine, own_home: Path
) -> None:
    """Else the next start would begin the fifty Agents of a check. Before any start it is remembered."""
    store = HostStore(own_home / "hosts.json")
    assert checker.check(machine.target(num_agents=1), Reports()).ok
    assert [host.num_agents for host in store.hosts()] == [1]
    assert checker.check(machine.target(num_agents=2), Reports()).ok
    assert [host.num_agents for host in store.hosts()] == [2]
    store.remember(machine.target(num_agents=3), worked=True)
    assert checker.check(machine.target(num_agents=50), Reports()).ok
    assert [host.num_agents for host in store.hosts()] == [3]
    store.remember(machine.target(num_agents=4), worked=False)
    assert [host.num_agents for host in store.hosts()] == [4], "Save Host is another matter"


@pytest.mark.parametrize(
    ("local", "here", "root", "expected"),
    [
        ("/opt/katana", "/opt/katana/bin/renderboot", "/srv/katana", "/srv/katana/bin/renderboot"),
        ("/opt/katana/", "/opt/katana/bin/renderboot", "/srv/katana/", "/srv/katana/bin/renderboot"),
        ("/opt/katana", "/opt/katana8/bin/renderboot", "/srv/katana", "/opt/katana8/bin/renderboot"),
        ("/opt/katana", "/usr/bin/python3", "/srv/katana", "/usr/bin/python3"),
        (r"C:\Katana", r"C:\Katana\bin\renderboot.exe", r"D:\Katana", r"D:\Katana\bin\renderboot.exe"),
        ("/opt/katana", "/opt/katana/bin/renderboot", r"D:\Katana 8", r"D:\Katana 8\bin\renderboot"),
        ("/opt/katana", "/opt/katana/bin/renderboot", "C:/farm/katana", r"C:\farm\katana\bin\renderboot"),
        (r"C:\Katana", r"C:\Katana\bin\renderboot.exe", "/srv/katana", "/srv/katana/bin/renderboot"),
    ],
)
def test_the_render_program_is_looked_for_where_an_agent_looks(
    monkeypatch: pytest.MonkeyPatch, local: str, here: str, root: str, expected: str
) -> None:
    """Below Katana Install, if it is below Katana's folder here; with the separators of that machine."""
    monkeypatch.setattr(preflight, "local_katana_root", lambda: local)
    monkeypatch.setattr(preflight, "render_program", lambda: here)
    assert preflight_of(katana_root=root)._render_program() == expected


def test_unknown_memory_is_left_out() -> None:
    """Windows does not say: that is not 0 GiB."""
    reports = Reports()
    preflight_of(reports, facts={"cores": 8, "memory": 0})._check_size()
    [step] = [each for each in reports.steps if each.state is StepState.DONE]
    assert step.message == "8 cores for 2 Agents"


def test_a_requested_key_is_revoked_though_the_check_was_cancelled() -> None:
    """Cancelled before the queue answered: its ports would stay open for minutes."""
    steps = Steps(Reports(), threading.Event())
    asked: list[str] = []

    def admit_host(host: str, _bind: str, _agents: int, *, by_hand: bool = False) -> Future[str]:
        asked.append(host)
        steps.cancelled.set()
        return Future()

    made = preflight_of()
    made.queue, made._steps = SimpleNamespace(admit_host=admit_host), steps  # type: ignore[assignment]  # no more is asked for
    with pytest.raises(Cancelled):
        made._ask_key("farm-w", "")
    assert made.admitted == "farm-w" and asked == ["farm-w"]


def preflight_of(
    reports: Reports | None = None, katana_root: str = "", facts: Any = None
) -> preflight.Preflight:
    """A preflight that has logged in to a machine."""
    steps = Steps(reports or Reports(), threading.Event())
    settings = Settings.from_environment({"KQ_DATA_ROOT": "/root"})
    made = preflight.Preflight(RemoteHost(host="farm-w"), None, settings, steps, Answers(), 5.0)
    kind = WindowsMachine if PureWindowsPath(katana_root).drive else PosixMachine
    made.machine = SimpleNamespace(katana_root=katana_root, path_type=kind.path_type)  # type: ignore[assignment]  # no more is asked for
    made.facts = facts or {}
    return made


def test_the_address_of_a_key_is_the_one_that_was_set(queue: LiveQueue) -> None:
    """All of it, though it begins like loopback's usual one."""
    printed = queue.kq("remote", "key", "farm-h", environment={"KQ_HOST": "127.0.0.15"})
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout)["connection"]["host"] == "127.0.0.15"
    assert "KQ_DATA_ROOT 127.0.0.15 " in printed.stderr
    queue.client.revoke_host("farm-h").result(60)
