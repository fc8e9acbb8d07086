"""The built folder in a process that is as unfriendly as Katana's can be: preview, stop, repeat, close."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.machines import RemoteMachine, why_no_ssh

ROOT = Path(__file__).resolve().parents[2]
KATANAS_QT = ROOT / ".venv" / "katana"
DESKTOP = Path(__file__).with_name("hostile_desktop.py")
SHARE = "the site's tools ü"
"""The name of the folder at which the built one is mounted, where that is allowed."""

pytestmark = [
    pytest.mark.timeout(1200),  # the registry may be slow
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a launcher of the shell stands for Katana's"),
    pytest.mark.skipif(
        not (KATANAS_QT / ".ready").is_file(),
        reason="Katana's PySide6 is not in .venv/katana: ./test installs it, with Python 3.11",
    ),
]


@pytest.fixture(scope="module")
def old_pyzmq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oldest pyzmq that runs on Katana's Python; Katana may bring one as old."""
    folder = tmp_path_factory.mktemp("old pyzmq")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--require-hashes", "--target", folder, "-r", Path(__file__).with_name("old_pyzmq.txt")],
        check=True,
    )  # fmt: skip
    return folder


def program(path: Path, text: str) -> None:
    """A program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def katana(tmp_path: Path) -> Path:
    """An installation: python.sh, renderboot, its own package kq; no program called python."""
    root = tmp_path / "Katana9.0v1"
    bare = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    program(root / "bin" / "python.sh", f'exec "{bare}/bin/python" "$@"')
    program(root / "bin" / "copy", 'echo "$1" >> "$2"')
    program(
        root / "bin" / "renderboot",
        "for name in PYTHONHOME PYTHONPATH LD_LIBRARY_PATH RENDERER_SETTING UNSET_SETTING KQ_NUM_AGENTS; do\n"
        'eval "echo $name=\\$$name" >&2; done\necho rendering >&2\n'
        'while [ ! -e "$DATA/finish" ]; do sleep 0.05; done',
    )
    kq = root / "plugins" / "Resources" / "Core" / "Plugins" / "kq"
    kq.mkdir(parents=True)
    (kq / "__init__.py").write_text(
        "OWNER = 'Katana'\ndef late():\n    from kq import agent\n    return agent.OWNER\n"
    )
    (kq / "agent.py").write_text("OWNER = 'Katana'\n")
    return root


def run_desktop(
    katana: Path,
    folder: Path,
    data_root: Path,
    *,
    old_zmq: Path | None = None,
    foreign: bool = True,
    machine: RemoteMachine | None = None,
    unmounts: bool = False,
) -> str:
    """Run the program; returns what it prints, errors included."""
    api = data_root / "api"
    api.mkdir()
    (api / "host").symlink_to(ROOT / "host")
    # What the stand-in's own API needs, and nothing that kq or the plug-ins do.
    site = next(Path(each) for each in sys.path if Path(each, "pxr").is_dir())
    for entry in site.iterdir():
        if entry.name == "pxr" or entry.name.startswith("usd_core"):
            (api / entry.name).symlink_to(entry)
    where = {
        "foreign": str(katana / "plugins/Resources/Core/Plugins") if foreign else "",
        "old_zmq": str(old_zmq) if old_zmq else "",
        "katana_root": str(katana),
        "data_root": str(data_root),
        "folder": str(folder),
        "unmounts": unmounts,
        "pictures": os.environ.get("KQ_TEST_PICTURES", ""),
        "machine": machine and {"address": machine.address, "port": machine.port, "key": str(machine.key)},
    }
    done = subprocess.run(
        [katana.parent / "python" / "bin" / "python", DESKTOP, json.dumps(where)],
        cwd=data_root,
        env={
            "HOME": str(data_root),
            "PATH": "/usr/bin:/bin",
            "DATA": str(data_root),
            "LANG": "C.UTF-8",
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": os.pathsep.join([str(KATANAS_QT), str(api)]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture
def read_only(folders: dict[str, Path], tmp_path: Path) -> Iterator[Path]:
    """The built folder, mounted read-only as a share is; without write permission where none is mounted."""
    folder, share = folders["linux"], tmp_path / SHARE
    share.mkdir()
    if subprocess.run(["mount", "--bind", folder, share], capture_output=True, check=False).returncode == 0:
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", share], check=True)
            yield share
        finally:
            subprocess.run(["umount", "-l", share], capture_output=True, check=False)
        return
    paths = [folder, *folder.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    for path in paths:
        path.chmod(modes[path] & ~0o222)
    yield folder
    for path in paths:
        path.chmod(modes[path])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RemoteMachine | None]:
    """Another machine, where an SSH server can be started here."""
    if why_no_ssh():
        yield None
        return
    with RemoteMachine(tmp_path / "machine") as made:
        yield made


def test_preview_stop_repeat_close_in_a_hostile_process(
    katana: Path, read_only: Path, data_root: Path, old_pyzmq: Path, machine: RemoteMachine | None
) -> None:
    """A foreign kq and an old pyzmq are in the process already; ours works, and theirs stay what they are."""
    said = run_desktop(katana, read_only, data_root, old_zmq=old_pyzmq, machine=machine)
    assert "Qt: 6.5.3 refuses QFrame(parent, 0)" in said
    if read_only.name == SHARE:
        assert "folder: Read-only file system" in said
    assert "farms: ['Katana Queue (Open)']" in said
    assert "('KatanaQueueOpen', ['Launch Remote Agents...', 'Start Multiple Renders...'])" in said
    assert "agents: 2 zmq: 24.0.1" in said
    # The render has the desktop's environment, poison included, which is no poison to Katana's own programs.
    assert "PYTHONHOME=/poison/home" in said
    assert "LD_LIBRARY_PATH=/poison/libraries" in said
    assert "RENDERER_SETTING=changed since the start" in said
    assert "UNSET_SETTING=at the start" not in said and "'UNSET_SETTING='" in said
    assert "repeat: completed" in said
    # The filter has Esc while it has the keyboard; elsewhere it is Katana's, and so is Shift+Esc.
    assert "Esc in the filter: True" in said
    assert "Esc in the list: running cancelled" in said
    assert "Shift+Esc: cancelled cancelled cancelled" in said
    if machine is not None:
        assert "remote Agents: 1" in said
        assert "rendered by: 127.0.0.1-" in said
        [log] = [line for line in said.splitlines() if line.startswith("remote log:")]
        assert "RENDERER_SETTING=changed since the start" in log
        assert "stopped: No Agent of this session" in said
        assert not any(machine.processes().values())
    assert "dialogs: ['LaunchRemoteAgentsDialog']" in said
    assert "theirs: Katana" in said
    assert "closed" in said


def test_where_katana_has_no_pyzmq_and_no_queue(katana: Path, read_only: Path, data_root: Path) -> None:
    """Then ours serves the desktop's process too; also when the share with our folder disappears."""
    shutil.rmtree(katana / "plugins")
    is_share = read_only.name == SHARE
    said = run_desktop(katana, read_only, data_root, foreign=False, unmounts=is_share)
    assert "farms: ['Katana Queue']" in said
    assert "zmq: 27" in said
    if is_share:
        # What is loaded works on; what is not is one message that names the folder.
        assert "without the share: completed" in said
        assert f"import without the share: {read_only}" in said
    assert "closed" in said
