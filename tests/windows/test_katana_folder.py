"""The folder for Katana on Windows, loaded by a CPython for Windows with Katana's PySide6."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from kq.katana_folder import Platform, build_folder
from tests.support.live_queue import ROOT, until
from tests.windows.wine import PYTHON, Wine, python_processes, windows_path
from tools.windows.make import FOR_WINDOWS, patch_zmq

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DESKTOP = Path(__file__).with_name("katana_desktop.py")


@pytest.fixture(scope="module")
def katanas_qt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Katana's PySide6 for Windows, by requirements/katana.txt; its hashes are those of any system."""
    folder = tmp_path_factory.mktemp("qt")
    lines = (ROOT / "requirements" / "katana.txt").read_text().splitlines()
    names = [line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *FOR_WINDOWS, "--target", folder, *names], check=True)
    return folder


@pytest.fixture
def bare_python(katana: Path, tmp_path: Path) -> Path:
    """A CPython without any package, which is Katana's own `bin\\python.exe` as well."""
    folder = tmp_path / "bare"
    (folder / "Lib").mkdir(parents=True)
    for path in PYTHON.parent.iterdir():
        if path.is_file():
            shutil.copy(path, folder)  # Python looks for its library beside the program itself
    (folder / "DLLs").symlink_to(PYTHON.parent / "DLLs")
    for path in (PYTHON.parent / "Lib").iterdir():
        if path.name != "site-packages":
            (folder / "Lib" / path.name).symlink_to(path)
    Wine.forward(katana / "bin" / "python.exe", folder / "python.exe")
    return folder / "python.exe"


def test_loaded_rendered_and_gone(
    wine: Wine, katana: Path, katanas_qt: Path, bare_python: Path, tmp_path: Path
) -> None:
    """Farm plug-in, tab and shelf are there, two Agents render, and after the close nothing is left. All of
    kq's processes use the packages of the folder."""
    folder = tmp_path / "Katana Queue ü"
    build_folder(folder, Platform.WINDOWS)
    patch_zmq(folder / "katana_queue" / "packages")  # Wine lacks what it asks for
    data_root = tmp_path / "data root"
    data_root.mkdir()
    local = tmp_path / "local"
    local.mkdir()
    scene = ROOT / "tests" / "host" / "data" / "small.usda"
    where = {
        "katana_root": windows_path(katana), "folder": windows_path(folder),
        "data_root": windows_path(data_root), "scene": windows_path(scene), "local": windows_path(local),
    }  # fmt: skip
    api = tmp_path / "api"
    api.mkdir()
    (api / "host").symlink_to(ROOT / "host")
    (api / "pxr").symlink_to(PYTHON.parent / "Lib" / "site-packages" / "pxr")  # the stand-in's scenes are USD
    before = sorted(folder.rglob("*"))
    done = wine.run(
        bare_python, windows_path(DESKTOP), json.dumps(where), cwd=data_root,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONPATH=f"{windows_path(katanas_qt)};{windows_path(api)}",
    )  # fmt: skip
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0 and "Traceback" not in text, text
    [line] = [each for each in text.splitlines() if each.startswith("facts: ")]
    facts = json.loads(line.removeprefix("facts: "))
    assert facts["qt"] == "6.5.3" and facts["farms"] and facts["tabs"]
    assert any(name.startswith("Launch Remote Agents") for name in facts["shelves"])
    assert facts["kq"].startswith(windows_path(folder))
    packages = windows_path(folder / "katana_queue" / "packages")
    assert all(path.startswith(packages) for path in facts["packages"].values()), facts
    # Katana's python.exe passes all on to that one: both run, and no other does.
    assert set(facts["programs"]) == {windows_path(katana / "bin" / "python.exe"), windows_path(bare_python)}
    assert QImage(str(data_root / "beauty.png")).width() == 160
    until(lambda: not python_processes(), "all to be gone", 300)
    assert sorted(folder.rglob("*")) == before
    assert not [path for path in local.rglob("*") if path.is_file()], "keys are deleted"
    left = {path.relative_to(data_root).parts[0] for path in data_root.rglob("*") if path.is_file()}
    assert left == {"beauty.exr", "beauty.png", "logs", "queues"}, "pictures, logs and the jobs' history"
