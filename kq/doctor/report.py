"""What was found, for people and for scripts. It may be sent on: no key is ever in it."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from ..errors import KqError
from ..plain_text import one_line

__all__ = ["Finding", "Report", "Setting", "Verdict", "as_json", "as_text", "guarded"]

_WIDTH = 110
_INDENT = 23


class Verdict(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Good to know; nothing has to be done."""
    WRONG = "wrong"
    """Something does not work, or soon will not. The command's exit code says so too."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    verdict: Verdict
    topic: str
    """Of a word or two, such as `data root`."""
    text: str
    """What was found, without a full stop."""
    advice: str = ""
    """What to do about it; of what is wrong never empty."""


def guarded(topic: str, found: Iterable[Finding], verdict: Verdict = Verdict.WRONG) -> Iterator[Finding]:
    """The findings of one part; what it may not read, or cannot, is one of them."""
    try:
        yield from found
    except KqError as error:
        yield Finding(verdict, topic, str(error), "correct that first: the rest could not be checked")
    except OSError as error:
        path = "" if error.filename is None else f"{os.fsdecode(error.filename)} "
        yield Finding(
            verdict, topic, f"{path}cannot be checked: {error.strerror}",
            "check its owner and permissions, or set KQ_DATA_ROOT to a folder of your own",
        )  # fmt: skip


class Setting(msgspec.Struct, frozen=True):
    """One of the KQ_* settings."""

    name: str
    value: str
    source: str
    """environment, command line, or default."""


class Report(msgspec.Struct, kw_only=True):
    """All of an examination."""

    versions: dict[str, str] = {}
    settings: list[Setting] = []
    findings: list[Finding] = []

    def add(self, found: Iterable[Finding]) -> None:
        """Note what one part of the examination found."""
        self.findings.extend(found)

    @property
    def wrong(self) -> list[Finding]:
        """Those that want something done."""
        return [each for each in self.findings if each.verdict is Verdict.WRONG]


def as_json(report: Report) -> str:
    """One object: `well`, `versions`, `settings` and `findings`."""
    return json.dumps({"well": not report.wrong, **msgspec.to_builtins(report)}, indent=1)


def as_text(report: Report) -> str:
    """For a terminal or a mail."""
    lines = ["Versions"]
    lines += [f"  {name:<{_INDENT - 3}} {version}" for name, version in report.versions.items()]
    lines += ["", "Settings"]
    for each in report.settings:
        source = "" if each.source == "default" else f"  ({each.source})"
        lines.append(f"  {each.name:<{_INDENT - 3}} {one_line(each.value)}{source}")
    lines += ["", "Findings"]
    for found in report.findings:
        mark = "WRONG" if found.verdict is Verdict.WRONG else found.verdict.value
        head = f"  {mark:<5}  {found.topic:<{_INDENT - 10}} "
        lines += textwrap.wrap(
            one_line(found.text),
            _WIDTH,
            initial_indent=head,
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
        )
        if found.advice:
            lines += textwrap.wrap(
                f"→ {one_line(found.advice)}",
                _WIDTH,
                initial_indent=" " * _INDENT,
                subsequent_indent=" " * (_INDENT + 2),
                break_on_hyphens=False,
            )
    count = len(report.wrong)
    problems = "1 problem" if count == 1 else f"{count or 'No'} problems"
    return "\n".join([*lines, "", f"{problems} found."])
