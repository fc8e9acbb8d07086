"""host/Katana is Katana's API: what it offers, `types-katana` has, with the same signature."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host import katana_alias
from tests.host.stub_comparison import HOST_KATANA, STUB_OF, differences, unused_exceptions

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).resolve().parents[2]


def test_everything_offered_is_in_the_stubs_with_the_same_signature() -> None:
    """No name, argument, default, builtin type or binding differs, but for the exceptions with a reason."""
    assert differences() == []


def test_no_exception_is_kept_that_nothing_needs() -> None:
    """The list of exceptions stays as short as it can be."""
    assert unused_exceptions() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("Configuration.py", "def get(key: str)", "def get(name: str)", "get: (name)"),
        ("Configuration.py", "def get(key: str) -> str", "def get(key: int) -> str", "get(key): int"),
        ("Configuration.py", "def has(", "def holds(", "holds: public"),
        (
            "FarmAPI/BaseFarmPlugin.py",
            "def submitJob(self, jobRequest",
            "def submitJob(self, job",
            "submitJob",
        ),
        ("FarmAPI/BaseFarmPlugin.py", "kWaiting: ", "kPending: ", "State.kPending"),
        ("Utils/Plugins.py", "reloadCached: bool = False,\n", "reload: bool = False,\n", "Load:"),
    ],
)
def test_a_difference_is_found(tmp_path: Path, file: str, old: str, new: str, told: str) -> None:
    """A renamed argument, another type, a name of our own: each is reported."""
    copy = tmp_path / "Katana"
    shutil.copytree(HOST_KATANA, copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(told in line for line in differences(copy))


def test_katana_and_host_katana_are_the_same_modules() -> None:
    """A plug-in's `from Katana import X` is the host's own X: one state, not two."""
    katana_alias.install()
    for file in STUB_OF:
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if name.startswith("_"):
            continue
        alias = importlib.import_module(f"Katana.{name}")
        assert alias is importlib.import_module(f"host.Katana.{name}")
        assert alias.__name__ == f"host.Katana.{name}"
    assert isinstance(importlib.import_module("Katana.FarmAPI").BaseFarmPlugin, type)


def test_importing_katana_needs_no_folder_on_the_path() -> None:
    """In a process of its own, `Katana` and its parts import, and no other room of the host does."""
    code = (
        "from host import katana_alias; katana_alias.install()\n"
        "from Katana import FarmAPI, Callbacks, UI4\n"
        "import Katana.Utils.Plugins, UI4.Tabs\n"
        "assert UI4.Tabs.BaseTab.__module__ == 'host.Katana.UI4.Tabs.BaseTab'\n"
        "try:\n    import nodes\nexcept ImportError:\n    print('sound')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "sound", done.stderr


def test_a_call_that_only_this_host_would_accept_fails_the_type_check() -> None:
    """mypy takes Katana from the stubs: `checked.py` passes, what Katana lacks is refused in `refused.py`."""
    good, bad = DATA / "typed" / "checked.py", DATA / "typed" / "refused.py"
    # With the checkout's own cache: ./test has just read the stubs and PySide6 into it.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(good), str(bad)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert not [line for line in lines if "checked.py" in line], done.stdout
    wanted = [
        number
        for number, line in enumerate(bad.read_text(encoding="utf-8").splitlines(), 1)
        if "# refused" in line
    ]
    told = sorted({int(line.split(":")[1]) for line in lines if "refused.py" in line})
    assert told == wanted, done.stdout
