"""Arguments as other machines' shells read them: what goes in comes out, whatever is in it."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kq.errors import RemoteFailed
from kq.remote import RemoteHost
from kq.remote.machine import marked_line
from kq.remote.quoting import (
    posix_command,
    posix_quote,
    powershell_command,
    powershell_quote,
)
from kq.remote.ssh import Output
from kq.remote.steps import OpenStep, Steps
from kq.remote.windows_machine import WindowsMachine
from kq.remote_host import commands
from tools.powershell_grammar import syntax_errors

SCRIPTS = Path(__file__).resolve().parents[2] / "resources" / "scripts"
PRINTABLE = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40)
NASTY = ["", "an artist's home", 'a "b" c', "$HOME `id` $(id)", "a\\", 'a\\"b', "a\\\\b\\'c",
         "hi!there !! !$",
         "%PATH%", "^&|<>()!", "-x",
         "ünïcode \u2019quoted\u2018", "a;b", "*?[]", "#x", "\\\\server\\"]  # fmt: skip


def test_posix_shells_read_what_was_meant() -> None:
    """All of them at once, by each shell that is here, through another shell as SSH does it."""
    script = 'for word in "$@"; do printf \'%s\\n\' "$word"; done'
    command = posix_command(script, NASTY)
    shells = [
        shell for shell in ("sh", "bash", "dash", "ksh", "zsh", "fish", "csh", "tcsh") if shutil.which(shell)
    ]
    for shell in shells:
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:-1] == NASTY, shell


@given(PRINTABLE)
def test_posix_quotes_whatever_is_in_it(text: str) -> None:
    """As `shlex` reads it, too."""
    import shlex

    assert shlex.split(posix_quote(text)) == [text]


@given(PRINTABLE)
@example("it\u2019s")
def test_powershell_reads_one_string(text: str) -> None:
    """Nothing in it ends the string, by PowerShell's own grammar, and nothing is expanded."""
    quoted = powershell_quote(text)
    assert not list(syntax_errors(f"Write-Output {quoted}\n".encode()))
    inner, read, place = quoted[1:-1], [], 0
    marks = "'\u2018\u2019\u201a\u201b"
    while place < len(inner):
        read.append(inner[place])
        if inner[place] in marks:
            assert inner[place + 1] in marks
            place += 1
        place += 1
    assert "".join(read) == text


def test_powershell_commands_hold_nothing_to_quote() -> None:
    """A script with anything in it travels as letters and digits."""
    script = "Write-Output 'it''s'; & \"$HOME\\x\" | % { $_ }"
    command = powershell_command(script)
    encoded = command.rpartition(" ")[2]
    assert base64.b64decode(encoded).decode("utf-16-le") == script
    assert not set(command) & set("'\"`$&|<>^%!(){};#*?[]\\"), "cmd, or another default shell, minds it"


@pytest.mark.parametrize("name", ["StartAgents.ps1", "StopAgents.ps1"])
def test_powershell_scripts_parse(name: str) -> None:
    """By the grammar; no PowerShell need be installed."""
    assert not list(syntax_errors((SCRIPTS / name).read_bytes()))


def test_what_is_sent_to_powershell_parses() -> None:
    """Every script that the Windows twin puts together, with names that have quotation marks."""
    from kq.remote import windows_machine as windows

    names = ", ".join(map(powershell_quote, NASTY))
    for body in (windows._FIND_PYTHON, windows._FIND_KQ):
        script = windows._RUN.format(prepare=windows._PREPARE, script=f"$names = @({names}); {body}")
        assert not list(syntax_errors(f"{script}\n".encode())), script


class Windows:
    """Stands for a connection to a Windows machine: keeps the scripts that are sent, and answers them all."""

    ANSWER = Output(0, 'Starting\r\nkq-remote: {"agents": [["farm-w:1-bcdf", 7, 1.5]]}\r\n', "")

    def __init__(self, answer: Output = ANSWER) -> None:
        self.scripts: list[str] = []
        self.stdin = b""
        self._answer = answer

    def run(self, command: str, _steps: object, *, stdin: bytes = b"", **_more: object) -> Output:
        encoded = command.rpartition(" ")[2]
        self.scripts.append(base64.b64decode(encoded).decode("utf-16-le"))
        self.stdin = stdin
        return self._answer


def on_windows(connection: Windows) -> WindowsMachine:
    steps = Steps(lambda _step: None, threading.Event())
    machine = WindowsMachine(connection, RemoteHost(host="farm-w"), steps)  # type: ignore[arg-type]
    machine.python, machine.kq_root = "C:\\Program Files\\Python\\python.exe", "C:\\an artist's kq"
    return machine


def test_the_windows_twin_sends_scripts_that_parse_and_no_secret_in_them() -> None:
    """Start and stop, with names that have quotation marks; the key goes by standard input."""
    connection = Windows()
    machine = on_windows(connection)
    step = OpenStep("Agents", lambda _step: None)
    key = {"key": "the key", "data_root": "/mnt/Jörg/日本"}
    answer = machine.start_agents([*NASTY[1:4], "1", "2", "3", "2"], msgspec.json.encode(key), 5, step)
    assert answer["agents"][0][0] == "farm-w:1-bcdf"
    assert "the key" not in connection.scripts[-1]
    assert connection.stdin.isascii(), "a code page on the way would spoil it"
    assert msgspec.json.decode(connection.stdin) == key
    machine.stop_agents("it's:a session")
    machine.run_kq(["report"], b"{}")
    for script in connection.scripts:
        assert not list(syntax_errors(f"{script}\n".encode())), script


def test_output_is_read_through_any_code_page() -> None:
    """In ASCII, and apart from what the machine greets everybody with."""
    greeting = "\xb0\xb0 Welcome to farm-w \xb0\xb0\r\n"
    path = "C:\\Jörg\\日本\\it's 100 %\\python.exe"
    said = "\r\n".join(
        f"kq-printed:{quote(each, safe='')}" for each in ("C:\\old.exe\t3.8.1", f"{path}\t3.12.4")
    )
    machine = on_windows(Windows(Output(0, f"{greeting}{said}\r\n", "")))
    assert machine.find_python() == f"{path}, version 3.12.4"
    machine = on_windows(
        Windows(Output(0, f"{greeting}kq-printed:Microsoft%20Windows%20NT\r\nkq-printed:FARM-W\r\n", ""))
    )
    assert machine.find_system() == "Microsoft Windows NT, its name is FARM-W"


def test_no_drive_need_be_there_to_be_asked_about() -> None:
    """Join-Path fails on one that is not, and an SSH session has no letters of network drives."""
    connection = Windows(Output(3, "", ""))
    machine = on_windows(connection)
    with pytest.raises(RemoteFailed, match="network drive"):
        machine.find_kq()
    scripts = [(SCRIPTS / name).read_text() for name in ("StartAgents.ps1", "StopAgents.ps1")]
    code = [line for text in (*scripts, *connection.scripts) for line in text.splitlines()]
    assert not [line for line in code if "Join-Path" in line and not line.lstrip().startswith("#")]


_ERRORS = (
    '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    '<Obj S="progress" RefId="0"><MS><PR N="Record"><AV>Preparing modules for first use.</AV></PR></MS></Obj>'
    '<S S="Error">File C:\\it&apos;s\\StartAgents.ps1 cannot be loaded because_x000D__x000A_</S>'
    '<S S="Error"> running scripts is disabled on this system._x000D__x000A_</S>'
    '<S S="Error">At line:1 char:3_x000D__x000A_</S><S S="Error">+ ~~~~_x000D__x000A_</S></Objs>'
)


def test_errors_of_powershell_are_plain_text() -> None:
    """Without a console it writes XML to its error stream, with the place in the script behind."""
    machine = on_windows(Windows(Output(1, "", _ERRORS)))
    with pytest.raises(RemoteFailed) as failed:
        machine.stop_agents("a session")
    told = (
        "File C:\\it's\\StartAgents.ps1 cannot be loaded because running scripts is disabled on this system."
    )
    assert str(failed.value) == f"StopAgents.ps1 failed on farm-w: {told}"


def test_progress_of_powershell_hides_no_error() -> None:
    """XML that tells of no error may follow what our own program says."""
    progress = '#< CLIXML\r\n<Objs Version="1.1.0.1"><Obj S="progress" RefId="0"></Obj></Objs>'
    machine = on_windows(Windows(Output(2, "", f"kq: there is no key\r\n{progress}")))
    with pytest.raises(RemoteFailed, match=r"farm-w: there is no key$"):
        machine.stop_agents("a session")


ROOT = SCRIPTS.parents[1]
OURS = [SCRIPTS / "StartAgents.ps1", SCRIPTS / "StopAgents.ps1", ROOT / "start.ps1", ROOT / "test.ps1",
        ROOT / "tools" / "environment.ps1"]  # fmt: skip


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_windows_powershell_reads_the_scripts_in_any_country(path: Path) -> None:
    """Without a byte order mark it takes letters beyond ASCII for those of an old code page."""
    assert path.read_bytes().isascii()


def calls_under_stop(script: str) -> list[str]:
    """Calls of programs where `Stop` would have their words on a redirected error stream end the script."""
    found, preference = [], "Stop"
    for line in re.split(r"\n|; ", script):
        if line == "}":
            preference = "Stop"  # the end of a function, whose preference is its own
        assigned = re.search(r"\$ErrorActionPreference = '(\w+)'", line)
        if assigned:
            preference = assigned[1]
        if re.search(r"& (\$(?!script)|'.*python)", line) and preference == "Stop":
            found.append(line.strip())
    return found


def test_no_word_of_a_program_ends_a_script() -> None:
    """Windows PowerShell makes errors of what it writes to stderr, where that is redirected."""
    scripts = [path.read_text() for path in OURS if path.parent != ROOT]
    asked, found = Windows(), Windows(Output(0, "kq-printed:C:%5Cpython.exe%093.12.1\r\n", ""))
    on_windows(asked).run_kq(["report"])
    on_windows(found).find_python()
    for script in [*scripts, *asked.scripts, *found.scripts]:
        assert re.search(r"& (\$(?!script)|'.*python)", script), "it calls a program"
        assert not calls_under_stop(script)


def test_the_pair_asks_nobody_for_a_missing_argument() -> None:
    """A mandatory parameter would: whoever runs it from another program would wait for ever."""
    text = OURS[0].read_text()
    assert "Mandatory" not in text and "seven arguments" in text


def test_a_command_line_too_long_for_windows_is_not_sent() -> None:
    """cmd would cut it off without a word."""
    connection = Windows()
    with pytest.raises(RemoteFailed, match="command line"):
        on_windows(connection).run_kq(["report", "x" * 4000])
    assert not connection.scripts


def test_answers_are_ascii_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    """A code page on the way changes nothing."""
    commands._answer({"log": "C:\\Jörg\\日本"})
    out = capsys.readouterr().out
    assert out.isascii() and marked_line(out) == {"log": "C:\\Jörg\\日本"}


def test_the_windows_pair_takes_the_documented_arguments_in_order() -> None:
    """Katana root, data root, host, three ports, number of Agents."""
    text = (SCRIPTS / "StartAgents.ps1").read_text()
    names = [
        "$KatanaRoot",
        "$DataRoot",
        "$KqHost",
        "$RequestPort",
        "$UpdatePort",
        "$BroadcastPort",
        "$NumAgents",
    ]
    declared = text.partition("param(")[2].partition(")\n")[0]
    assert [line.split("]")[-1].strip(" ,") for line in declared.split("\n") if line.strip()] == names
    assert "Win32_Process" not in text, "an SSH session of an ordinary user may not call WMI"
