"""Checks that the documents' relative links lead to an existing file or heading.

Never opens a network connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tools.tree import ROOT, files

__all__ = ["broken_links", "findings"]

_LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)<>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)", re.MULTILINE)
_IMAGE = re.compile(r"<(?:img|source)\b[^>]*?\bsrc(?:set)?=\"([^\"]+)\"")
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def findings() -> str:
    """One line for each broken link of the checkout's documents; "" when there is none."""
    return "\n".join(line for document in files(".md") for line in broken_links(document, ROOT))


def broken_links(document: Path, root: Path) -> Iterator[str]:
    """Lines `file:line: what is wrong` for the links of one document below `root`."""
    text = document.read_text(encoding="utf-8")
    # Blank out code, and keep every line where it was.
    prose = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for pattern in (_LINK, _REFERENCE, _IMAGE):
        for match in pattern.finditer(prose):
            target = match.group(1)
            if _SCHEME.match(target) or target.startswith("//"):
                continue
            wrong = _wrong_with(target, document, root)
            if wrong:
                line = prose.count("\n", 0, match.start()) + 1
                yield f"{document.relative_to(root)}:{line}: {target}: {wrong}"


def _wrong_with(target: str, document: Path, root: Path) -> str:
    path, _, anchor = unquote(target).partition("#")
    aim = (document.parent / path).resolve() if path else document.resolve()
    if not aim.is_relative_to(root.resolve()):
        return "leads out of the checkout"
    if not aim.exists():
        return "there is no such file"
    if anchor and aim.suffix == ".md" and anchor not in _anchors(aim):
        return f"{aim.name} has no such heading"
    return ""


def _anchors(document: Path) -> set[str]:
    """The names that GitHub gives a document's headings."""
    text = re.sub(
        r"^(```|~~~).*?^\1", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    found: set[str] = set()
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        name, again = slug, 0
        while name in found:
            again += 1
            name = f"{slug}-{again}"
        found.add(name)
    return found
