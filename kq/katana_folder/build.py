"""Writes the folder: copies plug-ins and kq, has pip unpack the locked wheels, checks what came of it."""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import py_compile
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from .. import __version__, process
from ..errors import BadInput, Refused
from .native import read_header

__all__ = ["KATANA_PYTHON", "Platform", "build_folder", "make_archive"]

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or the installed package: kq, plugins, resources and requirements lie below it."""
KATANA_PYTHON = (3, 11)
"""The Python of Katana 8 and 9."""
_NEWEST_GLIBC = (2, 28)
"""That of Rocky Linux 8, the oldest system of the VFX Reference Platform that Katana 8 supports."""
_MANIFEST = "katana_queue.json"


class Platform(StrEnum):
    """The system that Katana runs on."""

    LINUX = "linux"
    WINDOWS = "windows"

    @classmethod
    def current(cls) -> Platform:
        """This machine's."""
        return cls.WINDOWS if sys.platform == "win32" else cls.LINUX


def build_folder(folder: Path, platform: Platform, say: Callable[[str], None] = lambda _line: None) -> None:
    """Write the whole folder; it appears under its name when it is complete.

    Args:
        folder: a path where nothing is yet, or an empty folder.
        say: is called with a line about each step.

    Raises:
        BadInput: there is something at `folder` already.
        Refused: a package cannot be fetched, or a part of this installation is missing.
        OSError: the folder cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists already: name a new folder, one for each version")
    lock_file = ROOT / "requirements" / "kq.txt"
    for needed in (ROOT / "plugins", ROOT / "resources", lock_file):
        if not needed.exists():
            raise Refused(f"{needed} is missing: run this from a checkout, or install katana-queue again")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    draft.mkdir()
    try:
        say("copying plug-ins and kq")
        _copy_ours(draft)
        packages = draft / "katana_queue" / "packages"
        say(f"fetching packages for {platform} and Python {_version(KATANA_PYTHON)}")
        _fetch_packages(packages, platform, lock_file)
        for problem in _wrong_modules(packages, platform):
            raise Refused(problem)
        if sys.version_info[:2] == KATANA_PYTHON:
            say("compiling")
            _compile(draft / "katana_queue")
        else:
            say(f"not compiled: this is Python {_version(sys.version_info[:2])}; read-only it starts slower")
        _write_manifest(draft, packages, platform)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def make_archive(folder: Path, platform: Platform) -> Path:
    """Pack a folder that `build_folder` wrote; the archive lies beside it.

    Returns: its path.

    Raises:
        OSError: it cannot be written.
    """
    folder = folder.absolute()
    base = folder.parent / f"katana-queue-{__version__}-{platform}"
    kind = "zip" if platform is Platform.WINDOWS else "gztar"
    return Path(shutil.make_archive(str(base), kind, root_dir=folder.parent, base_dir=folder.name))


def _copy_ours(draft: Path) -> None:
    """Our sources as one package, and the few files that Katana looks for by the names of its folders."""
    package = draft / "katana_queue"
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "scenes")
    for name in ("kq", "plugins", "resources"):
        shutil.copytree(ROOT / name, package / name, ignore=unwanted)
    (package / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "kq.txt", package / "requirements")
    plugins = ROOT / "plugins"
    found_by_katana = {
        "Plugins": (plugins / "Plugins").glob("*.py"),
        "Tabs": (plugins / "Tabs").glob("*.py"),
        # Katana has a shelf called KatanaQueue: one of the two would hide the other.
        "Shelves/KatanaQueueOpen": (plugins / "Shelves" / "KatanaQueue").glob("*.py"),
        "Icons": (ROOT / "resources" / "Icons").glob("*.svg"),
    }
    for name, files in found_by_katana.items():
        (draft / name).mkdir(parents=True)
        for file in files:
            shutil.copy(file, draft / name)
    # Where whoever installs the folder finds it; the Python tab runs it by its path.
    shutil.copy(ROOT / "resources" / "scripts" / "katana_probe.py", draft)
    (draft / "README.txt").write_text(_README, encoding="utf-8")
    licence = ROOT / "LICENSE"
    if licence.is_file():
        shutil.copy(licence, draft)


_README = f"""Katana Queue {__version__}

To use it:    add this folder to KATANA_RESOURCES, and start Katana.
To verify:    right-click a 3D node: its menu has "Katana Queue (Open)". The tab is called the same.
To undo:      take the folder off KATANA_RESOURCES. Nothing was installed anywhere else.
Problems:     docs/katana.md of the project says what to look at, and how to send a report.
"""


def _fetch_packages(packages: Path, platform: Platform, lock_file: Path) -> None:
    python = _version(KATANA_PYTHON)
    _run_pip(
        "install", "--quiet", "--target", str(packages), "--requirement", str(lock_file),
        # The lock file names every package with its hashes: nothing else is looked for, nothing is built.
        "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile",
        "--implementation", "cp", "--python-version", python,
        *(word for tag in _wheel_tags(platform) for word in ("--platform", tag)),
    )  # fmt: skip
    # Commands of the packages, which name the Python of this machine in their first lines.
    shutil.rmtree(packages / "bin", ignore_errors=True)
    shutil.rmtree(packages / "Scripts", ignore_errors=True)


def _wheel_tags(platform: Platform) -> list[str]:
    """The platforms, in wheels' names, of which modules run on Katana's system."""
    if platform is Platform.WINDOWS:
        return ["win_amd64"]
    major, newest = _NEWEST_GLIBC
    current = [f"manylinux_{major}_{minor}_x86_64" for minor in range(newest, 4, -1)]
    return [*current, *(f"manylinux{name}_x86_64" for name in ("2014", "2010", "1"))]


def _run_pip(*arguments: str) -> None:
    """Run pip, which fetches for any Python. Raises Refused with its last lines."""
    # An environment that ./start made has no pip; the Python that it was made with may have one.
    own = importlib.util.find_spec("pip") is not None
    python = sys.executable if own else getattr(sys, "_base_executable", sys.executable)
    read_end, write_end = os.pipe()
    try:
        child = process.spawn_service(
            [python, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments],
            environment=os.environ,
            stdout=write_end,
            stderr=write_end,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    with open(read_end, encoding="utf-8", errors="replace") as output:
        lines = output.read().splitlines()
    while (ended := child.poll()) is None:
        time.sleep(0.01)  # it has closed its output already
    child.close()
    if ended.code == 0:
        return
    if any("No module named pip" in line for line in lines):
        raise Refused(
            f"{python} has no pip, which fetches the packages: install it with `{python} -m ensurepip` or "
            f"with the system's packages, or run kq with a Python that has one"
        )
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    raise Refused(f"pip could not fetch the packages: {' '.join(errors[-3:]) or ended}")


def _wrong_modules(packages: Path, platform: Platform) -> Iterator[str]:
    """A message for each native module that Katana's system could not load."""
    for path in sorted(packages.rglob("*")):
        if path.suffix not in (".so", ".pyd", ".dll") and ".so." not in path.name:
            continue
        header = read_header(path)
        name = path.relative_to(packages)
        if header.system != platform or not header.is_x86_64:
            yield f"{name} is no module for {platform} on x86-64"
        elif header.glibc > _NEWEST_GLIBC:
            newest = _version(_NEWEST_GLIBC)
            yield f"{name} needs glibc {_version(header.glibc)}: Katana's systems may have {newest}"


def _compile(package: Path) -> None:
    """Bytecode for a folder that Katana may not write to; the sources' hashes are checked, and no times."""
    compileall.compile_dir(
        package,
        maxlevels=20,
        quiet=2,
        stripdir=package,
        prependdir="katana_queue",
        invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
    )


def _write_manifest(draft: Path, packages: Path, platform: Platform) -> None:
    """What the folder is for, so that a Katana which it does not suit can say so."""
    found = sorted((each.name, each.version) for each in metadata.distributions(path=[str(packages)]))
    content = {
        "version": __version__,
        "platform": platform,
        "python": _version(KATANA_PYTHON),
        "packages": dict(found),
    }
    (draft / "katana_queue" / _MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _version(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
