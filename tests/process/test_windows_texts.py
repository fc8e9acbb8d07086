"""What Windows is told, as far as no Windows is needed to judge it."""

from __future__ import annotations

import ctypes
import errno
import ntpath
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.errors import BadInput, Refused
from kq.process import _windows_types as t
from kq.process._failures import explain_failure
from kq.process._windows_text import build_command_line, build_environment, find_program, past_launcher

SIZES = {
    t.StartupInfo: 104,
    t.StartupInfoEx: 112,
    t.ProcessInformation: 24,
    t.FileTime: 8,
    t.BasicLimits: 64,
    t.IoCounters: 48,
    t.ExtendedLimits: 144,
    t.BasicAccounting: 48,
}
"""As a C compiler for 64-bit Windows lays them out."""


@pytest.mark.skipif(struct.calcsize("P") != 8, reason="the sizes are those of 64-bit systems")
@pytest.mark.parametrize("layout", SIZES, ids=lambda layout: layout.__name__)
def test_structures_have_the_size_that_windows_expects(layout: type[ctypes.Structure]) -> None:
    """A wrong one would have the system read or write beside it."""
    assert ctypes.sizeof(layout) == SIZES[layout]


@pytest.mark.skipif(struct.calcsize("P") != 8, reason="the offsets are those of 64-bit systems")
def test_fields_stand_where_windows_expects_them() -> None:
    """Those that are read or written here."""
    assert t.StartupInfo.flags.offset == 60
    assert t.StartupInfo.std_input.offset == 80
    assert t.StartupInfoEx.attributes.offset == 104
    assert t.ProcessInformation.process_id.offset == 16
    assert t.BasicLimits.limit_flags.offset == 16
    assert t.ExtendedLimits.peak_process_memory_used.offset == 128
    assert t.BasicAccounting.active_processes.offset == 40


@pytest.mark.parametrize("code", [14, 1450, 1455])
def test_a_machine_without_memory_is_tried_again(code: int) -> None:
    """These codes of Windows have the errno of a wrong argument in Python: no command is to blame."""
    error = OSError(errno.EINVAL, "The paging file is too small for this operation to complete")
    error.winerror = code  # type: ignore[attr-defined,unused-ignore]
    assert isinstance(explain_failure(error, ["render.exe"], None), Refused)


def test_file_times_are_joined_from_their_halves() -> None:
    """In units of 100 nanoseconds."""
    assert t.FileTime(low=5_000_000, high=1).seconds == pytest.approx(2**32 / 1e7 + 0.5)


def arguments_of(line: str) -> list[str]:
    """The arguments that the C library makes of a command line, by its documented rules."""
    arguments: list[str] = []
    at = 0
    while at < len(line):
        while at < len(line) and line[at] in " \t":
            at += 1
        if at == len(line):
            break
        text, quoted = "", False
        while at < len(line) and (quoted or line[at] not in " \t"):
            slashes = 0
            while at < len(line) and line[at] == "\\":
                slashes += 1
                at += 1
            if at < len(line) and line[at] == '"':
                text += "\\" * (slashes // 2)
                if slashes % 2:
                    text += '"'
                else:
                    quoted = not quoted
                at += 1
            else:
                text += "\\" * slashes
                if at < len(line) and (quoted or line[at] not in " \t"):
                    text += line[at]
                    at += 1
        arguments.append(text)
    return arguments


@given(st.lists(st.text(alphabet='ab \\"\té', max_size=12), max_size=6))
def test_a_command_line_gives_the_arguments_back(arguments: list[str]) -> None:
    """Whatever blanks, quotes and backslashes they hold."""
    program = r"C:\Program Files\Blender\blender.exe"
    assert arguments_of(build_command_line(program, ["blender", *arguments])) == [program, *arguments]


def test_a_command_line_that_windows_refuses_is_refused() -> None:
    """Before anything is started."""
    with pytest.raises(BadInput, match=r"\b40,\d{3} .*\b32,767\b"):
        build_command_line(r"C:\a.exe", ["a", "x" * 40_000])


@pytest.mark.parametrize("argument", ["a&b", "%PATH%", 'say "x"', "a|b", "a>b", "a^b", "a\nb"])
def test_a_batch_file_gets_no_argument_that_its_shell_would_act_on(argument: str) -> None:
    """Windows hands it to a shell, which no quoting keeps from that."""
    with pytest.raises(BadInput, match="batch"):
        build_command_line(r"C:\katana.BAT", ["katana", argument])
    assert (
        build_command_line(r"C:\katana.bat", ["katana", "--frame", "a b"]) == r'C:\katana.bat --frame "a b"'
    )
    assert argument in arguments_of(build_command_line(r"C:\katana.exe", ["katana", argument]))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("kick", r"C:\arnold\kick.exe"),
        ("kick.exe", r"C:\arnold\kick.exe"),
        ("husk", r"C:\My Tools\husk.bat"),
        ("both", r"C:\arnold\both.exe"),
        (r"tools\local", r"D:\show\tools\local.exe"),
        (r".\tools\local.exe", r"D:\show\.\tools\local.exe"),
        (r"C:\arnold\kick", r"C:\arnold\kick.exe"),
        ("plain", r"C:\arnold\plain"),
        ("here", ""),
        ("no such", ""),
        (r"C:\no\such.exe", ""),
    ],
)
def test_programs_are_found_where_a_shell_finds_them(name: str, found: str) -> None:
    """On the new process's PATH with its endings; in the working folder only when a folder is named."""
    files = {
        r"C:\arnold\kick.exe", r"C:\My Tools\husk.bat", r"C:\My Tools\both.exe", r"C:\arnold\both.exe",
        r"D:\show\tools\local.exe", r"C:\arnold\plain", r"D:\show\here.exe",
    }  # fmt: skip
    environment = {"Path": r'C:\arnold;;"C:\My Tools"', "PATHEXT": ".COM;.EXE;.bat"}
    existing = {ntpath.normpath(file).lower() for file in files}
    result = find_program(name, environment, r"D:\show", lambda p: ntpath.normpath(p).lower() in existing)
    assert result.lower() == found.lower()


def test_the_environment_block_is_sorted_and_ended_twice() -> None:
    """As the system wants it; of names that differ in case only, the last one counts."""
    assert build_environment({"b": "2", "A": "1", "B": "3", "=C:": "C:\\"}) == "=C:=C:\\\0A=1\0B=3\0\0"
    assert build_environment({}) == "\0\0"


@pytest.mark.parametrize("bad", [{"": "1"}, {"a=b": "1"}, {"a\0": "1"}, {"a": "1\0"}])
def test_an_environment_that_would_be_misread_is_refused(bad: dict[str, str]) -> None:
    """A NUL would end it early."""
    with pytest.raises(BadInput, match="environment"):
        build_environment(bad)


def test_a_launcher_is_passed_by_and_nothing_else() -> None:
    """That of this very Python alone: another program is started as it was asked for."""
    launcher, interpreter = r"C:\venv\Scripts\python.exe", r"C:\Python311\python.exe"
    variables = {"A": "1"}
    told = {**variables, "__PYVENV_LAUNCHER__": launcher}
    assert past_launcher([launcher, "-P", "x"], variables, launcher, interpreter) == (
        [interpreter, "-P", "x"],
        told,
    )
    for argv in ([interpreter, "x"], ["maya.exe", launcher], []):
        assert past_launcher(argv, variables, launcher, interpreter) == (argv, variables)
    assert past_launcher([launcher], variables, launcher, launcher) == ([launcher], variables)
