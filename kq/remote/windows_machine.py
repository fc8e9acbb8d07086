"""Runs kq's programs on a Windows machine over SSH. Twin of machine.

PowerShell runs them. Commands are encoded, so that neither cmd nor PowerShell interprets quotes in them.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import PureWindowsPath
from typing import Any
from urllib.parse import unquote

import msgspec

from ..errors import RemoteFailed
from .hosts import local_katana_root
from .machine import UNBROKEN_S, Machine, newest_python
from .quoting import powershell_command, powershell_quote
from .ssh import Output
from .steps import OpenStep

__all__ = ["WindowsMachine", "plain_errors"]

_START_S = 60.0
_LONGEST_LINE = 8000
"""Most characters of a command: cmd, to which OpenSSH for Windows passes it, has a limit of 8191."""
_PRINTED = "kq-printed:"
# Input and output are ASCII, because cmd, the console and the SSH shell may have different code pages.
# Python's messages are UTF-8; without a console the code page cannot be set.
_PREPARE = (
    "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; "
    "try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { }; "
    "$OutputEncoding = New-Object System.Text.UTF8Encoding $false; $Env:PYTHONUTF8 = '1'; "
    f"function Say([string]$text) {{ [Console]::Out.WriteLine('{_PRINTED}' + "
    "[Uri]::EscapeDataString($text)) }; "
)
# By itself PowerShell writes errors as XML, with the position in the script in the last line.
_RUN = "{prepare}try {{ {script} }} catch {{ [Console]::Error.WriteLine($_.Exception.Message); exit 1 }}"
_VERSION = "import sys; sys.stdout.write('%d.%d.%d' % sys.version_info[:3])"
# Windows PowerShell treats a program's output to a redirected standard error as an error of the script.
_FOR_PROGRAMS = "$ErrorActionPreference = 'Continue'; $global:LASTEXITCODE = 1; "
# All programs of a name are tried, because the Microsoft Store's stub may come first on the PATH. A path
# with a bracket is skipped, because Get-Command would treat it as a pattern.
_FIND_PYTHON = (
    f"{_FOR_PROGRAMS}"
    "foreach ($name in $names) { if ($name.IndexOfAny([char[]]'[]*?') -ge 0) { continue }; "
    "foreach ($found in @(Get-Command $name -CommandType Application -All "
    "-ErrorAction SilentlyContinue)) { "
    f"$version = & $found.Source -c {powershell_quote(_VERSION)} 2>$null; "
    'Say ($found.Source + "`t" + $version) } }'
)
_FIND_KQ = (
    # Not Join-Path, which fails for a drive that does not exist.
    "foreach ($folder in $names) { "
    "if (Test-Path -LiteralPath ($folder + '\\kq\\remote_host\\__main__.py') -ErrorAction SilentlyContinue) "
    "{ Say (Resolve-Path -LiteralPath $folder).ProviderPath; exit 0 } }; exit 3"
)
_ERROR = re.compile(r'<S S="Error">(.*?)</S>', re.DOTALL)
_CLIXML = re.compile(r"#< CLIXML\s*|<Objs .*?</Objs>", re.DOTALL)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class WindowsMachine(Machine):
    """Windows 10, Server 2019, and later."""

    path_type = PureWindowsPath

    def _run(
        self,
        script: str,
        names: Sequence[str] = (),
        stdin: bytes = b"",
        step: OpenStep | None = None,
        timeout_s: float = 45.0,
        unbroken_s: float = 0.0,
    ) -> Output:
        """Run a PowerShell script, with the list `names` in $names. Raises RemoteFailed, Cancelled."""
        listed = ", ".join(map(powershell_quote, names))
        command = powershell_command(_RUN.format(prepare=_PREPARE, script=f"$names = @({listed}); {script}"))
        if len(command) > _LONGEST_LINE:
            raise RemoteFailed(
                f"the paths for {self.host.host} are too long for a command line of Windows "
                f"({len(command)} characters of {_LONGEST_LINE}): use shorter ones"
            )
        output = self.connection.run(
            command, self.steps, stdin=_in_ascii(stdin), timeout_s=timeout_s, step=step, unbroken_s=unbroken_s
        )
        return Output(output.code, output.out, plain_errors(output.err))

    def find_system(self) -> str:
        output = self._run("Say ([Environment]::OSVersion.VersionString); Say $Env:COMPUTERNAME")
        lines = _printed_lines(output)
        if output.code != 0 or len(lines) < 2:
            raise RemoteFailed(f"PowerShell does not run on {self.host.host}: {output.complaint}")
        self.system = "Windows"
        return f"{lines[0]}, its name is {lines[1]}"

    def find_python(self) -> str:
        candidates = [self.host.python] if self.host.python else []
        if not self.host.python:
            for root in dict.fromkeys((self.katana_root, *self._candidates())):
                folder = PureWindowsPath(root)
                candidates += [str(folder / "bin" / "python.exe"), str(folder / ".venv/Scripts/python.exe")]
            candidates += ["python.exe", "python3.exe"]
        listing = "\n".join(_printed_lines(self._run(_FIND_PYTHON, candidates)))
        self.python, version = newest_python(listing, self.host)
        return f"{self.python}, version {version}"

    def find_kq(self) -> str:
        output = self._run(_FIND_KQ, self._candidates())
        found = _printed_lines(output)
        if output.code != 0 or not found:
            raise RemoteFailed(
                f"{self._no_kq()}: "
                f"install it on a disk of that machine (a login by key sees no network drive), or set "
                f"Katana Install to its folder"
            )
        self.kq_root = found[0]
        return self.kq_root

    def run_kq(
        self,
        arguments: Sequence[str],
        stdin: bytes = b"",
        step: OpenStep | None = None,
        timeout_s: float = 45.0,
    ) -> Any:
        program = str(PureWindowsPath(self.kq_root) / "kq" / "remote_host" / "__main__.py")
        words = " ".join(map(powershell_quote, ["-P", program, *arguments]))
        script = (
            f"{_FOR_PROGRAMS}[Console]::In.ReadToEnd() | & {powershell_quote(self.python)} {words}; "
            f"exit $LASTEXITCODE"
        )
        return self._answer(self._run(script, (), stdin, step, timeout_s), arguments[0])

    def install_scripts(self) -> list[str]:
        # SFTP starts in the home folder. Windows has no executable permission to set.
        return self._copy_scripts(("StartAgents.ps1", "StopAgents.ps1"), ".", mode=None)

    def start_agents(
        self, arguments: Sequence[str], connection: bytes, first_log: int, step: OpenStep
    ) -> Any:
        variables = {
            "KQ_CONNECTION": "-",
            "KQ_ROOT": self.kq_root,
            "KQ_PYTHON": self.python,
            "KQ_DESKTOP_ROOT": local_katana_root(),
            "KQ_FIRST_LOG": str(first_log),
        }
        lines = [f"$Env:{name} = {powershell_quote(value)}" for name, value in variables.items()]
        words = " ".join(map(powershell_quote, arguments))
        lines.append(f"& ($Env:USERPROFILE + '\\StartAgents.ps1') {words}; exit $LASTEXITCODE")
        output = self._run("; ".join(lines), (), connection, step, _START_S, UNBROKEN_S)
        return self._answer(output, "StartAgents.ps1")

    def stop_agents(self, session: str) -> Any:
        script = (
            "$script = $Env:USERPROFILE + '\\StopAgents.ps1'; "
            "if (-not (Test-Path -LiteralPath $script)) { "
            "[Console]::Out.WriteLine('kq-remote: {\"ended\":[]}'); exit 0 }; "
            f"& $script {powershell_quote(session)}; exit $LASTEXITCODE"
        )
        return self._answer(self._run(script, (), b"", None, _START_S), "StopAgents.ps1")


def _printed_lines(output: Output) -> list[str]:
    """Return the lines that `Say` printed; other output is ignored."""
    lines = [line.strip() for line in output.out.splitlines()]
    return [unquote(line.removeprefix(_PRINTED)) for line in lines if line.startswith(_PRINTED)]


def _in_ascii(content: bytes) -> bytes:
    """Return the JSON `content` with characters outside ASCII escaped."""
    return json.dumps(msgspec.json.decode(content)).encode("ascii") if content else b""


def plain_errors(text: str) -> str:
    """Return PowerShell's errors as plain text, from the XML that it writes without a console."""
    if "#< CLIXML" not in text:
        return text
    errors = "".join(_ERROR.findall(text))
    errors = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(errors))
    # The rest of an error is its position in the script.
    first, _, _ = errors.partition("\r\nAt line:")
    return f"{_CLIXML.sub('', text).strip()}\n{' '.join(first.split())}".strip()
