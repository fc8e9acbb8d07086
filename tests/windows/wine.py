"""Windows for tests: Wine with the CPython of tools/windows/make.py, and a PowerShell that somebody names.

No expectation about kq lives here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from kq.process import find_marked
from kq.remote.quoting import powershell_command
from tools.windows.make import PLACE, PREFIX, READY, TOO_OLD

__all__ = [
    "OLD_PYTHON",
    "PYTHON",
    "USERS",
    "Wine",
    "python_processes",
    "why_no_powershell",
    "why_no_wine",
    "windows_path",
]

HERE = Path(__file__).parent
POWERSHELL = "KQ_TEST_POWERSHELL"
"""Names the folder of a pwsh.exe. One that brings no .NET finds it in the folder `dotnet` beside its own."""
PYTHON = PLACE / "python" / "python.exe"
OLD_PYTHON = TOO_OLD / "python.exe"
"""A CPython 3.10."""
USERS = PREFIX / "drive_c" / "users"
_COMPILER = "x86_64-w64-mingw32-gcc"
_TIMEOUT_S = 900.0
"""Of one program. Making an environment takes a minute on an idle machine, several on a busy one."""


def why_no_wine() -> str:
    """Why there is no Windows here; empty when there is one."""
    if not READY.exists() or shutil.which("wine") is None:
        return "there is no Windows: `./test --windows` makes one"
    return "" if shutil.which(_COMPILER) else f"{_COMPILER} is not installed (package gcc-mingw-w64-x86-64)"


def why_no_powershell() -> str:
    """Why no PowerShell script can be run here; empty when one can."""
    if why_no_wine():
        return why_no_wine()
    named = os.environ.get(POWERSHELL)
    if not named:
        return (
            f"{POWERSHELL} names no folder with PowerShell's build for Windows, and Wine's own does nothing"
        )
    return "" if (Path(named) / "pwsh.exe").is_file() else f"{POWERSHELL} is {named}, where no pwsh.exe is"


def windows_path(path: Path) -> str:
    """A path of this machine as programs under Wine know it."""
    with contextlib.suppress(ValueError):
        return str(PureWindowsPath("C:\\", *path.relative_to(PREFIX / "drive_c").parts))
    return str(PureWindowsPath("Z:\\", *path.parts[1:]))


def python_processes() -> dict[int, list[str]]:
    """The command lines of the Python programs of this run that run there, by their pids on Linux."""
    found = {}
    for each in find_marked("KQ_TEST_RUN", os.environ["KQ_TEST_RUN"]):
        try:
            words = Path(f"/proc/{each.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "python.exe" in words[0]:
            found[each.pid] = words
    return found


class Wine:
    """A Windows that is up: programs start in a second or two, and what is no test's is there before it.

    Args:
        folder: for the programs that only tests have.

    Attributes:
        environment: of a program there.
        session: the program that is an SSH session; its command is in SSH_ORIGINAL_COMMAND.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.session = folder / "session.exe"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            "WINEPREFIX": str(PREFIX),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "ucrtbase=n,b",
            "WINEPATH": f"{windows_path(folder)};{windows_path(PYTHON.parent)}",
            "KQ_TEST_RUN": os.environ["KQ_TEST_RUN"],
            "POWERSHELL_TELEMETRY_OPTOUT": "1",
            "POWERSHELL_UPDATECHECK": "Off",
        }
        self._open: subprocess.Popen[bytes] | None = None
        self._lock = os.open(PLACE / "lock", os.O_RDWR | os.O_CREAT)

    def __enter__(self) -> Wine:
        # Two test runs would change each other's Windows.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        _compile("session.c", self.session)
        if not why_no_powershell():
            powershell = Path(os.environ[POWERSHELL])
            self.forward(self._folder / "powershell.exe", powershell / "pwsh.exe")
            self.environment["DOTNET_ROOT"] = windows_path(powershell.parent / "dotnet")
        # Its services come up with the first program, stay while there is one, and hold its streams.
        quiet = {"env": self.environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._open = subprocess.Popen(["wine", "cmd"], stdin=subprocess.PIPE, **quiet)
        subprocess.run(["wine", "cmd", "/c", "rem"], stdin=subprocess.DEVNULL, check=True, **quiet)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._open is not None and self._open.stdin is not None
        self._open.stdin.close()
        self._open.wait(_TIMEOUT_S)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["wineserver", "-w"], env=self.environment, check=False, timeout=30)
        os.close(self._lock)

    @staticmethod
    def forward(target: Path, program: Path, *arguments: str) -> None:
        """Make the program `target`, which runs another with these arguments before its own."""
        target.parent.mkdir(parents=True, exist_ok=True)
        _compile("forward.c", target)
        command = [f'"{windows_path(program)}"', *arguments]
        target.with_suffix(".txt").write_text(" ".join(command), encoding="utf-8")

    def run(
        self,
        program: str | Path,
        *arguments: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        **variables: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program there to its end; its streams are pipes, and it has no console."""
        # All that it starts keeps the error stream of Linux: its end is not waited for.
        errors, far_end = os.pipe()
        try:
            with subprocess.Popen(
                ["wine", str(program), *arguments], env={**self.environment, **variables}, cwd=cwd,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=far_end,
            ) as process:  # fmt: skip
                try:
                    output, _ = process.communicate(stdin, _TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()  # its job ends with it
                    raise
            os.write(far_end, b"\n")  # so that there is something to read
            words = os.read(errors, 1 << 16)
            return subprocess.CompletedProcess(process.args, process.returncode, output, words)
        finally:
            os.close(errors)
            os.close(far_end)

    def powershell(
        self, script: str, *, stdin: bytes = b"", profile: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of PowerShell as an SSH session does, with a console without a window.

        Args:
            script: is to set the encoding of its output, where that is not to be the old code page's.
            profile: the user's folder, as Windows calls it.
            variables: of its environment, besides.
        """
        if profile:
            variables["KQ_TEST_PROFILE"] = profile
        done = self.run(
            self.session,
            stdin=stdin,
            SSH_ORIGINAL_COMMAND=powershell_command(script),
            **variables,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, _text(done.stdout), _without_wines(_text(done.stderr))
        )

    @contextlib.contextmanager
    def dot_files(self, *, hidden: bool) -> Iterator[None]:
        """Have names that begin with a dot hidden, as on a share of Samba's by default, or shown."""
        self._show_dot_files("N" if hidden else "Y")
        yield
        self._show_dot_files("N")

    def _show_dot_files(self, value: str) -> None:
        done = self.run("reg", "add", r"HKCU\Software\Wine", "/v", "ShowDotFiles", "/d", value, "/f")
        assert done.returncode == 0, done


def _compile(source: str, target: Path) -> None:
    subprocess.run([_COMPILER, "-municode", "-O1", "-Wall", HERE / source, "-o", target], check=True)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n")


def _without_wines(text: str) -> str:
    """Wine tells of disks that it may not read, whatever is asked of it."""
    return "".join(line for line in text.splitlines(True) if not line.startswith("wine: "))
