"""Checks the syntax of PowerShell scripts with a grammar, so that PowerShell need not be installed."""

from __future__ import annotations

from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tools.tree import ROOT, files

__all__ = ["findings", "syntax_errors"]


def findings() -> str:
    """One line for each place that does not parse; "" when there is none."""
    return "\n".join(
        f"{path.relative_to(ROOT)}:{line}"
        for path in files(".ps1", ".psm1", ".psd1")
        for line in syntax_errors(path.read_bytes())
    )


def syntax_errors(source: bytes) -> Iterator[str]:
    """`line:column: what` for each place of a script that does not parse."""
    parser = Parser(Language(tree_sitter_powershell.language()))
    yield from _errors(parser.parse(source).root_node)


def _errors(node: Node) -> Iterator[str]:
    row, column = node.start_point
    if node.is_missing:
        yield f"{row + 1}:{column + 1}: {node.type} is missing"
    elif node.type == "ERROR":
        text = (node.text or b"").decode(errors="replace").splitlines()
        yield f"{row + 1}:{column + 1}: does not parse: {text[0] if text else ''}"
    elif node.has_error:
        for child in node.children:
            yield from _errors(child)
