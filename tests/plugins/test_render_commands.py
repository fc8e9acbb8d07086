"""The commands of one job: which is the render, and which get a shell."""

from __future__ import annotations

import subprocess

import pytest
from katana_queue.plugins.render_commands import needs_shell, read_commands

RENDER = "/opt/Katana/bin/renderboot -renderer dl -geolib3OpTree /tmp/x -host 10.0.0.1:80"


@pytest.mark.parametrize(
    ("lines", "render"),
    [
        (["copy a b", RENDER, "exrcopyattributes a b"], 1),
        ([RENDER], 0),
        (["copy a b", "python -m host.renderboot -geolib3OpTree x", "copy b c"], 1),
        (["first", "some-renderer scene"], 1),
        ([], -1),
    ],
)
def test_the_render_is_found_among_the_commands(lines: list[str], render: int) -> None:
    """By its program's name, or by options that only Katana gives; else it is the last."""
    found = read_commands(lines, windows=False)
    assert found.render == render
    assert len(found.commands) == len(lines)


def test_windows_program_names() -> None:
    """renderboot.exe, in any case."""
    line = r'"C:\Program Files\Katana9.0v1\bin\RenderBoot.exe" -renderer dl -tempDir C:\t'
    found = read_commands(["copy a b", line], windows=True)
    assert (found.render, found.options["renderer"]) == (1, "dl")


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("cp a b && rm a", True),
        ("cp a b; rm a", True),
        ("ls > out", True),
        ("echo `date`", True),
        ("echo $(date)", True),
        ('echo "a `date`"', False),
        ("cp 'a; b' c", False),
        ('cp "a & b" c', False),
        (r"cp a\;b c", False),
        ("cp $HOME/a *.exr b", False),
        (r'cp "C:\a & b\x" c', False),
    ],
)
def test_what_needs_a_shell(line: str, needs: bool) -> None:
    """Operators outside quotes, and nothing else."""
    assert needs_shell(line) is needs


def test_a_command_that_needs_a_shell_says_so() -> None:
    """In the log, before it runs; its neighbours get none."""
    found = read_commands(["cp a b", RENDER, "echo one && echo 'two  words'"], windows=False)
    assert found.commands[0] == ("cp", "a", "b")
    done = subprocess.run(found.commands[2], capture_output=True, text=True, check=True)
    assert done.stdout == "one\ntwo  words\n"
    assert "shell" in done.stderr
    assert "echo one && echo" in done.stderr


def test_a_render_never_gets_a_shell() -> None:
    """A path of a render may hold what a shell would take for more."""
    found = read_commands(["/bin/renderboot -renderMethodName a;b -tempDir /t&x"], windows=False)
    assert found.commands == (("/bin/renderboot", "-renderMethodName", "a;b", "-tempDir", "/t&x"),)


def test_cmd_gets_its_line_in_a_variable() -> None:
    """As an argument it would be quoted by rules that cmd does not know."""
    found = read_commands([RENDER, 'copy "a b" c & del "a b"'], windows=True)
    ((variable, line),) = found.variables.items()
    assert line == 'copy "a b" c & del "a b"'
    assert found.commands[1][:4] == ("cmd.exe", "/d", "/s", "/c")
    assert f"%{variable}%" in found.commands[1][4]
