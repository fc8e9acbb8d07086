"""Command lines as one string: whatever the arguments are, they come back."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import command_line

ARGUMENTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12))


@given(ARGUMENTS)
def test_what_is_joined_parts_again_into_the_same(arguments: list[str]) -> None:
    """By the rules of this platform."""
    assert command_line.split(command_line.join(arguments)) == arguments


@given(ARGUMENTS)
def test_windows_rules_part_what_windows_rules_joined(arguments: list[str]) -> None:
    """Spaces, quotes and backslashes included, in the first argument too."""
    assert command_line.split_windows(subprocess.list2cmdline(arguments)) == arguments


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ('"C:\\Program Files\\python.exe" -m host', ["C:\\Program Files\\python.exe", "-m", "host"]),
        ('a\\\\b d"e f"g h', ["a\\\\b", "de fg", "h"]),
        ('a\\\\\\"b c', ['a\\"b', "c"]),
        ('a\\\\\\\\"b c" d', ["a\\\\b c", "d"]),
        ('"a""b" ""', ['a"b', ""]),
    ],
)
def test_the_examples_of_microsofts_rules(command: str, arguments: list[str]) -> None:
    """Backslashes count only before a quotation mark."""
    assert command_line.split_windows(command) == arguments


def test_a_quotation_that_is_not_closed_is_refused() -> None:
    """On every platform."""
    with pytest.raises(ValueError, match="quotation"):
        command_line.split_windows('"a b')
    with pytest.raises(ValueError, match="quotation"):
        command_line.split("'a b" if sys.platform != "win32" else '"a b')
