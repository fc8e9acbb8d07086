"""What `pip install` of the wheel gives: two commands, and with them scripts, icons, the sample scene."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import kq

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a program that must succeed, away from the checkout and its PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT),
        cwd=folder,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_carries_all_that_is_shipped_and_nothing_else(wheel: Path) -> None:
    """Every file of the four folders is inside, with the licence; tests and tools are not."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    ours = {
        f"katana_queue/{path.relative_to(ROOT).as_posix()}"
        for folder in ("kq", "host", "plugins", "resources")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {"katana_queue/requirements/kq.txt"}
    assert inside == ours
    assert licences
    assert "katana_queue/kq/py.typed" in inside
    for suffix in (".sh", ".ps1", ".svg", ".usda"):
        assert any(name.startswith("katana_queue/resources/") and name.endswith(suffix) for name in inside)


@pytest.mark.slow
def test_the_installed_wheel_gives_both_commands(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment `kq` and `katana-queue` are there, and run from what was installed."""
    home = tmp_path / "fresh environment"
    venv.create(home, with_pip=False)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel),
        cwd=tmp_path,
    )
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    )
    # The dependencies are those of this environment. Its link to the checkout is not among them: a .pth file
    # in a folder that another .pth file names is not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    assert run(scripts / "kq", "--version", cwd=tmp_path).split()[-1] == kq.__version__
    assert "--headless" in run(scripts / "katana-queue", "--help", cwd=tmp_path)
    show = "from katana_queue import kq, host; print(kq.__file__, host.__file__)"
    where = run(python, "-c", show, cwd=tmp_path)
    assert where.count(str(site)) == 2
    # Not by `kq doctor`, whose exit code tells of other sessions on this machine too.
    examine = "from katana_queue.kq.doctor import as_text, examine; print(as_text(examine({})))"
    assert f"{kq.__version__} ({site / 'katana_queue' / 'kq'})" in run(python, "-c", examine, cwd=tmp_path)


def test_katanas_users_need_only_the_small_set() -> None:
    """What kq itself depends on holds nothing of the stand-in desktop; the extras are there by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    small = " ".join(project["dependencies"]).lower()
    assert not [name for name in ("pyside", "usd", "mitsuba", "nodegraph") if name in small]
    assert {"host", "bench", "dev"} <= set(project["optional-dependencies"])


def test_requirements_agree_and_name_no_index() -> None:
    """Each file pins with hashes, none names where packages come from, and all pin the same versions."""
    versions: dict[str, set[str]] = {}
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")], path
        assert any("--hash=sha256:" in line for line in lines), path
        if path.stem in ("bench", "katana", "cycles"):
            continue  # environments of their own, and what is in none by itself
        for line in lines:
            if "==" in line:
                versions.setdefault(line.partition("==")[0], set()).add(line.rstrip(" \\"))
    in_dev = (ROOT / "requirements" / "dev.txt").read_text()
    for name in versions:
        assert f"{name}==" in in_dev
        for line in versions[name]:
            assert line in in_dev
