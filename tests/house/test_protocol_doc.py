"""docs/protocol.md against kq/messages.py: every message is there, and nothing that is not one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from kq import messages

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
ROW = re.compile(r"^\| `(\w+)` \| `([\w-]+)` \|(.*)\|$", re.MULTILINE)
PORTS = {
    "A client's requests": messages.ClientRequest,
    "The server's replies": messages.ServerReply,
    "Orders to one Agent": messages.AgentOrder,
    "Broadcasts": messages.BroadcastMessage,
}
CLASSES = {
    name: kind
    for name, kind in vars(messages).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
}


def sections() -> dict[str, str]:
    """Each section's text by its heading."""
    parts = re.split(r"^## (.+)\n", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tags() -> dict[str, str]:
    """The tag of each message by its class's name; what is only a part of one has none."""
    return {
        name: str(kind.__struct_config__.tag)
        for name, kind in CLASSES.items()
        if name in messages.__all__ and kind.__struct_config__.tag is not None
    }


def test_every_message_has_a_row_with_its_tag() -> None:
    """A new message is not forgotten here, and a row without a class is not left behind."""
    assert {name: tag for name, tag, _ in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))} == tags()


@pytest.mark.parametrize("heading", PORTS)
def test_a_message_stands_under_its_port(heading: str) -> None:
    """Each table holds what the code accepts there, once, and nothing else."""
    [text] = [text for title, text in sections().items() if title.startswith(heading)]
    documented = Counter(name for name, _, _ in ROW.findall(text))
    assert documented == Counter(kind.__name__ for kind in get_args(PORTS[heading]))


def test_what_agents_report_stands_with_its_port() -> None:
    """Their table names the port of each row."""
    [text] = [text for title, text in sections().items() if title.startswith("An Agent's reports")]
    documented = {name: rest.split("|")[0].strip() for name, _, rest in ROW.findall(text)}
    expected = {kind.__name__: "update" for kind in get_args(messages.UpdateMessage)}
    assert documented == {**expected, "RegisterUpdate": "request"}


def test_every_name_in_the_text_is_a_class() -> None:
    """An answer that was renamed is found, too; so is a part of a message that is not mentioned."""
    spoken = set(re.findall(r"`([A-Z]\w*[a-z]\w*)`", DOCUMENT.read_text(encoding="utf-8")))
    public = {name for name in CLASSES if not name.startswith("_")}
    assert spoken == public


def test_the_version_is_the_codes() -> None:
    """The page names the protocol's version."""
    assert f"`PROTOCOL_VERSION` is {messages.PROTOCOL_VERSION}." in DOCUMENT.read_text(encoding="utf-8")
