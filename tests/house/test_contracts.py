"""The arrows between rooms, held against a small house that breaks each of them. Nothing of kq runs here."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import house_rules

ROOT = Path(__file__).resolve().parents[2]

ROOMS = ("agent", "client", "core", "guardian", "process", "remote", "server", "wire")
MODULES = ("api", "cli", "messages", "records", "states", "errors", "settings", "frame_ranges", "logs")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house with our rooms and our contracts, all of them empty and so all of them kept."""
    for room in ROOMS:
        (tmp_path / "kq" / room).mkdir(parents=True)
        (tmp_path / "kq" / room / "__init__.py").touch()
    for module in ("__init__", *MODULES):
        (tmp_path / "kq" / f"{module}.py").touch()
    for room in ("host", "host/app", "host/Katana", "host/nodes", "host/renderboot"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    for room in ("ui", "Shelves", "Tabs/KatanaQueue/models", "Tabs/KatanaQueue/views"):
        (tmp_path / "katana_queue" / "plugins" / room).mkdir(parents=True)
        (tmp_path / "katana_queue" / "plugins" / room / "empty.py").touch()
    (tmp_path / "katana_queue" / "plugins" / "Tabs" / "KatanaQueue" / "tab.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return tmp_path


def broken_contracts(house: Path, contents: dict[str, str]) -> dict[str, str]:
    """What import-linter says of each contract that `house` breaks with `contents` in its files."""
    for name, line in contents.items():
        (house / name).write_text(f"{line}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    _, _, report = done.stdout.partition("Broken contracts\n")
    # Each section is a name, underlined, and its text.
    parts = re.split(r"^(.+)\n-{3,}$", report, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


FORBIDDEN = [
    ("kq/agent/one.py", "import kq.server", "The rooms of kq"),
    ("kq/remote/two.py", "import kq.client", "The rooms of kq"),
    ("kq/core/three.py", "import kq.wire", "The rooms of kq"),
    ("kq/messages.py", "import kq.core", "The rooms of kq"),
    ("kq/records.py", "import kq.messages", "The rooms of kq"),
    ("kq/process/four.py", "import kq.agent", "The rooms of kq"),
    ("kq/client/five.py", "from PySide6 import QtCore", "kq knows no desktop"),
    ("kq/api.py", "import host", "kq knows no desktop"),
    ("kq/server/six.py", "import zmq", "Only kq.wire imports zmq"),
    ("host/app/seven.py", "import zmq.asyncio", "Only kq.wire imports zmq"),
    ("kq/cli.py", "import paramiko", "Only kq.remote imports paramiko"),
    ("kq/agent/eight.py", "import subprocess", "Only kq.process starts children"),
    ("kq/core/nine.py", "from time import monotonic", "core decides"),
    ("kq/core/twelve.py", "from datetime import datetime", "core decides"),
    ("kq/core/thirteen.py", "from pathlib import Path", "core decides"),
    ("kq/core/fourteen.py", "import random", "core decides"),
    ("host/app/ten.py", "import kq.core", "The host reaches kq through kq.api alone"),
    ("host/app/eleven.py", "import plugins.Tabs", "The host finds plug-ins by path"),
    ("host/Katana/fifteen.py", "import host.app", "The rooms of host"),
    ("host/nodes/sixteen.py", "import host.Katana", "The rooms of host"),
    ("katana_queue/plugins/ui/eighteen.py", "from ..Tabs import KatanaQueue", "The rooms of plugins"),
    (
        "katana_queue/plugins/Shelves/nineteen.py",
        "from ..Tabs.KatanaQueue import tab",
        "The rooms of plugins",
    ),
    (
        "katana_queue/plugins/Tabs/KatanaQueue/models/twenty.py",
        "from ..views import empty",
        "The rooms of the tab",
    ),
    (
        "katana_queue/plugins/Tabs/KatanaQueue/views/twenty_one.py",
        "from .. import tab",
        "The rooms of the tab",
    ),
    ("host/renderboot/seventeen.py", "import host.nodes", "The rooms of host"),
    ("kq/agent/twenty_two.py", "import kq.core", "Only the server imports core"),
]


def test_each_wrong_arrow_breaks_its_contract(house: Path) -> None:
    """Every forbidden import is named under the contract that forbids it."""
    broken = broken_contracts(house, {importer: line for importer, line, _ in FORBIDDEN})
    for importer, line, contract in FORBIDDEN:
        [report] = [text for name, text in broken.items() if name.startswith(contract)]
        module = importer.removesuffix(".py").replace("/", ".")
        assert module in report, f"{importer}: {line}"


def test_a_room_that_no_contract_names_is_found(house: Path) -> None:
    """A new module of kq has to be given its place among the others."""
    (house / "kq" / "attic").mkdir()
    [report] = broken_contracts(house, {"kq/attic/__init__.py": ""}).values()
    assert "attic" in report


def test_two_modules_that_import_each_other_are_found(house: Path) -> None:
    """Also if one of them needs the other for types alone."""
    only_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import kq.wire.there"
    [(name, report)] = broken_contracts(
        house, {"kq/wire/here.py": only_types, "kq/wire/there.py": "import kq.wire.here"}
    ).items()
    assert name.startswith("No two modules") and "kq.wire" in report


def test_the_arrows_of_the_architecture_are_allowed(house: Path) -> None:
    """Each room may do what it is there for; an orderly house breaks no contract."""
    allowed = {
        "kq/wire/one.py": "import zmq",
        "kq/remote/two.py": "import paramiko",
        "kq/process/three.py": "import subprocess",
        "kq/agent/four.py": "import kq.process, kq.wire",
        "kq/server/seven.py": "import kq.process, kq.wire, kq.core",
        "kq/core/five.py": "import kq.messages, kq.records",
        "kq/api.py": "import kq.client, kq.records",
        "host/app/six.py": "from kq.api import Session",
    }
    assert broken_contracts(house, allowed) == {}


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("from ....kq.api import JobSpec", True),
        ("from ...kq import api", True),
        ("from ....kq.core import jobs", False),
        ("from ...kq import client", False),
        ("from ...host.app import window", False),
        ("from Katana import FarmAPI", True),
        ("from PySide6.QtWidgets import QMenu", True),
        ("from ... import queue_session", True),
        ("from .models import columns", True),
        ("import json", True),
        ("import kq", False),
        ("from kq.core import jobs", False),
        ("from kq import client", False),
        ("import zmq", False),
        ("from host.app import window", False),
        ("import importlib; importlib.import_module('kq.core')", False),
    ],
)
def test_plugins_reach_kq_through_its_api_alone(line: str, is_fine: bool) -> None:
    """Plug-in files are loaded by path, where import-linter does not look."""
    assert (not list(house_rules.plugin_imports(ast.parse(line)))) is is_fine


@pytest.mark.parametrize(
    ("source", "is_fine"),
    [
        ("import os; os.getpid()", True),
        ("import psutil; psutil.Process().memory_info()", True),
        ("job.kill()", True),
        ("import os; os.kill(1, 9)", False),
        ("from os import execvpe", False),
        ("import os; os.posix_spawn('/bin/true', [], {})", False),
        ("import multiprocessing", False),
        ("import subprocess; subprocess.list2cmdline(['a b'])", True),
        ("import subprocess; subprocess.run(['a'])", False),
        ("from subprocess import Popen", False),
        ("import psutil; psutil.Process(7).terminate()", False),
        ("import signal; signal.pidfd_send_signal(3, 9)", False),
    ],
)
def test_processes_are_started_and_ended_in_one_room(source: str, is_fine: bool) -> None:
    """Signals and forks outside kq/process are found; reading about a process is allowed."""
    assert (not list(house_rules.process_control(ast.parse(source)))) is is_fine


@pytest.mark.parametrize(
    ("source", "is_fine"),
    [
        ('"""One line."""\n', True),
        ('"""One.\n\nTwo.\nThree.\n"""\n', True),
        ("", True),
        ('"""One.\n\nTwo.\nThree.\nFour.\n"""\n', False),
        ("import json\n", False),
    ],
)
def test_a_module_opens_with_at_most_three_lines(source: str, is_fine: bool) -> None:
    """A module says first, and briefly, what lives in it."""
    assert (not list(house_rules.opening(ast.parse(source)))) is is_fine


def test_work_put_off_in_a_comment_is_found() -> None:
    """A comment that promises work is found; the same word in a text is not."""
    word = "TO" + "DO"
    assert list(house_rules.unfinished(f"x = 1  # {word}: later\n"))
    assert not list(house_rules.unfinished(f"x = '{word}'\n"))
