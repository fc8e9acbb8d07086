"""Text of others within our sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kq.errors import BadInput, BadSetting
from kq.plain_text import display_width, pad, quoted
from kq.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("beauty", "'beauty'"),
        ("it's", '"it\'s"'),
        (r"C:\shots\new", r"'C:\shots\new'"),
        (r"\\server\share", r"'\\server\share'"),
        ("two\nlines", r"'two\nlines'"),
        ("\x1b[31m", r"'\x1b[31m'"),
    ],
)
def test_texts_are_quoted_as_users_write_them(text: str, told: str) -> None:
    """On one line, and a path of Windows with single backslashes."""
    assert quoted(text) == told


def test_paths_of_windows_in_messages() -> None:
    """Of a setting, a command line and an address, as somebody on Windows gets them wrong."""
    from kq.command_line import split_command_line
    from kq.remote import RemoteHost

    with pytest.raises(BadSetting, match=re.escape(r"is 'C:\farm'")):
        Settings.from_environment({"KQ_NUM_AGENTS": r"C:\farm"})
    for windows in (True, False):
        with pytest.raises(BadInput, match=re.escape(r"C:\farm\kq")):
            split_command_line('"C:\\farm\\kq', windows=windows)
    with pytest.raises(BadInput, match=re.escape(r"'\\farm\kq'")):
        RemoteHost.parse(r"\\farm\kq")


def test_no_message_shows_a_text_as_python_spells_it() -> None:
    """`!r` doubles each backslash: what people read is quoted by `quoted`."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("kq", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\{[^{}]*!r[:}]", line) and "KeyPair(" not in line
    ]
    assert not found


def test_width_counts_the_cells_of_a_terminal() -> None:
    """Wide letters take two; marks and joiners that combine with another letter take none."""
    assert display_width("abc") == 3
    assert display_width("日本語") == 6
    assert display_width("ｗｉｄｅ") == 8  # these very letters
    assert display_width("e\u0301te\u0301") == 3
    assert display_width("Тест é ß") == 8
    assert pad("日本", 6) == "日本  "
    assert pad("long", 2) == "long"
