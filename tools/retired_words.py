"""Finds retired words in the shipped sources and the documents, each with its replacement.

Decisions and the changelog are exempt, as records of the past.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tools.tree import ROOT, files

__all__ = ["RETIRED", "findings", "retired_words"]

# Patterns are built from parts so that this file passes its own rule.
RETIRED = {
    r"\bwi" r"sh(?:es|ed)?\b": "request",
    r"\bru" r"ngs?\b": "check, or step",
    r"\bla" r"dders?\b": "preflight, or steps",
    r"\bma(?:ke|kes|de|king) no se" r"nse\b": "invalid",
    r"\b(?:no|some)bo" r"dy(?:'s)?\b": "the name of who acts",
    r"\ba sente" r"nce\b": "a message, or an error",
    r"\btrou" r"bles?\b": "problem, or error",
    r"\b(?:is|are|was|were) to" r"ld\b": "is notified, or is asked",
    r"\bto te" r"ll\b": "to report, or to distinguish",
    r"\bto be h" r"ad\b": "available",
    r"\bWay b" r"ack\b": "Reverse connection",
    r"\bke" r"epers?\b": "tunnel keepalive",
    r"\bhost.?bo" r"ok\b": "host store",
    r"\bno word w" r"hy\b": "no error output",
    r"\b[A-Z_]*_PATI" r"ENCE_S\b": "X_TIMEOUT_S",
    r"\b[A-Z_]*_LO" r"OK_S\b": "POLL_INTERVAL_S",
    r"\b[A-Z_]+_A_PA" r"GE\b": "PAGE_SIZE",
    r"\b_?MO" r"ST_[A-Z]": "MAX_X",
}
"""Patterns of words, each with what to write instead."""

_PATTERNS = {
    # Names of constants are in capitals; other words may begin a line.
    re.compile(pattern, 0 if "[A-Z" in pattern else re.IGNORECASE): instead
    for pattern, instead in RETIRED.items()
}
_SHIPPED = ("kq", "host", "plugins", "tools", "resources")


def findings() -> str:
    """One line `file:line: what` for each such word in the checkout; "" when there is none."""
    lines = []
    for path in files(".py", ".sh", ".ps1", ".md"):
        name = path.relative_to(ROOT)
        if _applies_to(name):
            lines += [f"{name}:{line}: {what}" for line, what in retired_words(path.read_text("utf-8-sig"))]
    return "\n".join(lines)


def _applies_to(name: Path) -> bool:
    if name.suffix == ".md":
        return name.name != "CHANGELOG.md" and "decisions" not in name.parts
    return name.parts[0] in _SHIPPED


def retired_words(text: str) -> Iterator[tuple[int, str]]:
    """The number of each line with such a word, and what to write instead."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in _PATTERNS.items():
            if found := pattern.search(line):
                yield number, f"{found[0]!r} is a retired word: write {instead}"
