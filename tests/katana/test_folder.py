"""What `kq katana-folder` writes: for which system, what Katana finds in it, and when it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from katana_queue.kq.errors import BadInput, Refused
from katana_queue.kq.katana_folder import Platform, build, build_folder, read_header

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # the registry may be slow
ROOT = Path(__file__).resolve().parents[2]
NATIVE = {"linux": (".so",), "windows": (".pyd", ".dll")}


@pytest.mark.parametrize("platform", ["linux", "windows"])
def test_every_native_module_is_for_its_system(folders: dict[str, Path], platform: str) -> None:
    """By its header: ELF of x86-64 that asks for glibc 2.28 or older, or PE of x86-64."""
    packages = folders[platform] / "katana_queue" / "packages"
    native = [p for p in packages.rglob("*") if p.suffix in (".so", ".pyd", ".dll") or ".so." in p.name]
    found = {path.relative_to(packages).parts[0] for path in native}
    assert {"zmq", "msgspec", "psutil", "cryptography", "PIL"} <= found
    for path in native:
        header = read_header(path)
        assert (header.system, header.is_x86_64) == (platform, True), path
        assert header.glibc <= (2, 28), path
        assert path.suffix in NATIVE[platform] or ".so." in path.name


@pytest.mark.parametrize("platform", ["linux", "windows"])
def test_it_holds_what_the_lock_file_names_and_nothing_else(folders: dict[str, Path], platform: str) -> None:
    """Each package in its locked version; no scripts that name this machine's Python."""
    manifest = json.loads((folders[platform] / "katana_queue" / "katana_queue.json").read_text())
    lines = (ROOT / "requirements" / "kq.txt").read_text().splitlines()
    locked = {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}
    normal = {f"{name.lower()}=={version}" for name, version in manifest["packages"].items()}
    assert normal == locked
    assert (manifest["platform"], manifest["python"]) == (platform, "3.11")
    assert not (folders[platform] / "katana_queue" / "packages" / "bin").exists()
    for text in (folders[platform] / "katana_queue").rglob("*.py"):
        assert str(ROOT).encode() not in text.read_bytes()


@pytest.mark.parametrize("platform", ["linux", "windows"])
def test_no_file_has_a_name_of_foundrys(folders: dict[str, Path], platform: str) -> None:
    """What Katana looks for by folder bears names of our own, so that it hides no file of Katana's."""
    listed = {
        path.relative_to(folders[platform]).as_posix()
        for name in ("Plugins", "Tabs", "Shelves", "Icons")
        for path in (folders[platform] / name).rglob("*")
        if path.is_file()
    }
    assert listed == {
        "Plugins/katana_queue_open.py",
        "Tabs/katana_queue_open_tab.py",
        "Shelves/KatanaQueueOpen/Launch Remote Agents.py",
        "Shelves/KatanaQueueOpen/Start Multiple Renders.py",
        "Icons/katana_queue_open_agents.svg",
        "Icons/katana_queue_open_multiple.svg",
    }


def test_archives_hold_the_whole_folder(folders: dict[str, Path]) -> None:
    """A zip for Windows, a tar for Linux, with one folder in it."""
    for platform, folder in folders.items():
        [archive] = folder.parent.glob(f"katana-queue-*-{platform}.*")
        if platform == "windows":
            with zipfile.ZipFile(archive) as opened:
                names = {name for name in opened.namelist() if not name.endswith("/")}
        else:
            with tarfile.open(archive) as opened_tar:
                names = {member.name for member in opened_tar if member.isfile()}
        expected = {
            path.relative_to(folder.parent).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        assert expected <= names


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of this machine's system is run")
def test_kq_runs_from_the_folder_alone(folders: dict[str, Path], data_root: Path) -> None:
    """With a bare Python without packages: a queue, an Agent, a job. Nothing is written into the folder."""
    ours, bare = folders["linux"] / "katana_queue", data_root / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    before = sorted(str(path) for path in folders["linux"].rglob("*"))
    program = f"""
import sys
sys.path[:0] = [{str(ours)!r}, {str(ours / "packages")!r}]
from kq.api import JobSpec, Settings, start_session
from pathlib import Path
import zmq
session = start_session(Settings(data_root=Path({str(data_root / "root ü")!r}), num_agents=1))
assert session.wait_ready(60), session.failure
job, _ = session.client.submit(JobSpec(name="job", commands=(("true",),)))
import threading
ended = threading.Event()
session.client.add_listener(lambda change: [ended.set() for each in change.jobs if each.state.is_terminal])
assert ended.wait(60)
print("job:", session.client.job(job).state)
print("zmq:", zmq.__file__)
session.close()
assert session.wait(60)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [bare / "bin" / "python", "-c", program],
        cwd=data_root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "job: Completed" in done.stdout
    assert f"zmq: {folders['linux']}" in done.stdout
    assert sorted(str(path) for path in folders["linux"].rglob("*")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of this machine's system is run")
def test_every_program_of_kq_finds_its_packages(folders: dict[str, Path], tmp_path: Path) -> None:
    """Started by its file's path, as guardian, server, Agents and what starts them elsewhere are."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    programs = sorted((folders["linux"] / "katana_queue" / "kq").rglob("__main__.py"))
    assert len(programs) >= 5
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for program in programs:
        done = subprocess.run(
            [bare / "bin" / "python", "-P", program, "--help"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ModuleNotFoundError" not in done.stderr, (program, done.stderr)
        assert done.returncode == 0, (program, done.stderr)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Before anything is fetched; what is there stays."""
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(BadInput, match=str(tmp_path)):
        build_folder(tmp_path, Platform.LINUX)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_package_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own words are passed on, and nothing is left of the attempt."""
    root = tmp_path / "installation"
    for name in ("kq", "plugins", "resources"):
        (root / name).mkdir(parents=True)
    for name in ("Icons", "scripts"):
        (root / "resources" / name).mkdir()
    (root / "resources" / "scripts" / "katana_probe.py").touch()
    (root / "requirements").mkdir()
    (root / "requirements" / "kq.txt").write_text(f"invoke==3.0.3 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(build, "ROOT", root)
    with pytest.raises(Refused, match="HASH"):
        build_folder(tmp_path / "out" / "folder", Platform.LINUX)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_module_for_another_system_is_found(folders: dict[str, Path]) -> None:
    """The builder looks at headers itself, whatever the names of wheels promise."""
    packages = folders["linux"] / "katana_queue" / "packages"
    assert not list(build._wrong_modules(packages, Platform.LINUX))
    assert list(build._wrong_modules(packages, Platform.WINDOWS))
