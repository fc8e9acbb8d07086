"""Does ./start make its environment once, wholly, and anywhere? With a requirements file of one small wheel.

What the project needs itself is not installed here: that takes a network, and a bare machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="start.ps1 does this on Windows")

PREPARE = """
set -euo pipefail
root="$PWD"
. tools/environment.sh
needs_of() { echo "$NEED"; }
prepare demo offscreen
"$venv/bin/python" -c 'import demo; print(demo.VERSION)'
"""


def make_wheel(folder: Path, version: str) -> str:
    """Write the wheel of a package `demo`; returns the line for a requirements file."""
    name = f"demo-{version}-py3-none-any.whl"
    info = f"demo-{version}.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("demo.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"demo.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return f"demo @ {(folder / name).as_uri()} --hash=sha256:{digest}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with spaces in its path, that requires the wheel `demo` 1.0, and has a package `kq`."""
    root = tmp_path / "Katana Queue (copy)"
    (root / "requirements").mkdir(parents=True)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "environment.sh", root / "tools")
    shutil.copy(ROOT / "start", root)
    (root / "requirements" / "demo.txt").write_text(make_wheel(tmp_path, "1.0"))
    (root / "kq").mkdir()
    (root / "kq" / "__main__.py").write_text("import sys; print('our kq', *sys.argv[1:])\n")
    return root


def prepare(
    checkout: Path, *, need: str = "sh dash", path: str | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the set-up with one system need; its output is that of a program in the environment."""
    return subprocess.run(
        [*before, "bash", "-c", PREPARE, "start"],
        cwd=checkout,
        env={**os.environ, "NEED": need, "PATH": path or os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, script: str) -> None:
    """Write a program that stands in for one of the system's."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_help_needs_no_environment(checkout: Path) -> None:
    """`./start --help` tells its form on a machine where nothing has been set up, and sets nothing up."""
    done = subprocess.run([checkout / "start", "--help"], capture_output=True, text=True, check=True)
    form = "./start [SCENE] [--node NAME] [--frame N] [--out DIR] [--agents N] [--headless]"
    assert form in done.stdout
    assert not (checkout / ".venv").exists()


def test_a_checkout_that_may_not_be_written_to_is_named(checkout: Path) -> None:
    """In one line, and nothing is tried: it may hold the .venv of those who share it."""
    (checkout / ".venv").mkdir()
    checkout.chmod(0o555)
    try:
        # Root may write everywhere, but for the capabilities that setpriv takes from it.
        without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        refused = prepare(checkout, before=without_rights)
    finally:
        checkout.chmod(0o755)
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1 and "write" in refused.stderr, refused.stderr


@pytest.mark.slow
def test_an_environment_is_made_once_and_moves_with_its_checkout(checkout: Path, tmp_path: Path) -> None:
    """The first start says what it does; the second does nothing; a moved checkout still needs nothing.
    New requirements are installed; and `kq` is ours, whatever lies in the folder it is called from."""
    first = prepare(checkout)
    assert (first.returncode, first.stdout) == (0, "1.0\n"), first.stderr
    assert "==> Making .venv" in first.stderr
    assert "==> Ready" in first.stderr
    second = prepare(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "1.0\n", "")

    moved = checkout.rename(tmp_path / "moved")
    third = prepare(moved)
    assert (third.stdout, third.stderr) == ("1.0\n", "")
    decoy = tmp_path / "elsewhere" / "kq"
    decoy.mkdir(parents=True)
    (decoy / "__main__.py").write_text("print('not ours')\n")
    link = tmp_path / "kq-link"
    link.symlink_to(moved / ".venv" / "bin" / "kq")
    called = subprocess.run([link, "jobs"], cwd=decoy.parent, capture_output=True, text=True, check=True)
    assert called.stdout == "our kq jobs\n"

    (moved / "requirements" / "demo.txt").write_text(make_wheel(tmp_path, "2.0"))
    fourth = prepare(moved)
    assert fourth.stdout == "2.0\n"
    assert "Making .venv" not in fourth.stderr


@pytest.mark.slow
def test_a_set_up_that_did_not_end_starts_again_from_nothing(checkout: Path) -> None:
    """What fails, or is cut off, never counts as ready: the next start makes the environment anew."""
    requirements = checkout / "requirements" / "demo.txt"
    good = requirements.read_text()
    requirements.write_text(good[:-65] + "0" * 64 + "\n")
    failed = prepare(checkout)
    assert failed.returncode != 0
    assert "requirements/demo.txt could not be installed" in failed.stderr
    half = checkout / ".venv" / "half-done"
    half.touch()

    requirements.write_text(good)
    again = prepare(checkout)
    assert (again.returncode, again.stdout) == (0, "1.0\n"), again.stderr
    assert "==> Making .venv" in again.stderr
    assert not half.exists()


def test_without_rights_the_one_line_to_run_is_printed(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary user who may not become root gets the line that installs what is missing, and nothing
    is made; one who may has it installed, and a package that brings no remedy is named."""
    tools = tmp_path / "tools"
    program(tools, "id", "echo 1000")
    program(tools, "sudo", "exit 1")
    program(tools, "apt-get", "exit 0")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    refused = prepare(checkout, need="libnowhere.so.1 libnowhere1", path=path)
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1] == (
        "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends libnowhere1'"
    )
    assert not (checkout / ".venv").exists()

    program(tools, "sudo", 'shift; [ "$1" = true ] || echo "$3" >>"$LOG"')
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    allowed = prepare(checkout, need="libnowhere.so.1 libnowhere1", path=path)
    assert "apt-get install -y --no-install-recommends libnowhere1" in (tmp_path / "log").read_text()
    assert "still missing after their installation: libnowhere1" in allowed.stderr


@pytest.mark.slow
def test_python_is_installed_where_there_is_none(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the other system packages, in one call; that the system's Python is too old is an error."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in map(Path, ("/usr/sbin", "/usr/bin", "/sbin", "/bin")):
        for path in folder.iterdir():
            if not path.name.startswith("python") and not (tools / path.name).exists():
                (tools / path.name).symlink_to(path)
    for name in ("id", "apt-get", "sudo"):
        (tools / name).unlink(missing_ok=True)
    program(tools, "id", "echo 1000")
    program(tools, "apt-get", "exit 0")
    monkeypatch.setenv("TOOLS", str(tools))

    old = 'printf "#!/bin/sh\\necho Python 3.9.2; exit 1\\n" >"$TOOLS/python3"; chmod 755 "$TOOLS/python3"'
    program(tools, "sudo", f'shift; [ "$1" = true ] || {{ {old}; }}')
    too_old = prepare(checkout, path=str(tools))
    assert too_old.returncode != 0
    assert "Python 3.11" in too_old.stderr and "Python 3.9.2" in too_old.stderr

    (tools / "python3").unlink()
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    new = f'echo "$3" >>"$LOG"; ln -s "{sys.executable}" "$TOOLS/python3"'
    program(tools, "sudo", f'shift; [ "$1" = true ] || {{ {new}; }}')
    done = prepare(checkout, path=str(tools))
    assert (done.returncode, done.stdout) == (0, "1.0\n"), done.stderr
    assert (
        "apt-get install -y --no-install-recommends python3 python3-venv;" in (tmp_path / "log").read_text()
    )
