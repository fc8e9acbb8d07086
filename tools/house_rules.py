"""Project rules beyond the linters: process control, plug-in imports, module docstrings.

Reads source as a syntax tree; nothing is imported or run.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from tools.tree import ROOT, python_files

__all__ = ["findings", "opening", "plugin_imports", "process_control", "unfinished"]

OURS = ("kq", "host", "plugins", "resources", "tools", "tests", "benchmarks")
SHIPPED = ("kq", "host", "plugins", "tools")

_PLUGINS_MAY_IMPORT = {"Katana", "PySide6", "shiboken6", "plugins"} | sys.stdlib_module_names
_PLUGINS_MAY_IMPORT |= {"OpenImageIO", "numpy"}  # optional imports, see the tab's models/exr.py
_STARTS_OR_ENDS = re.compile(
    r"kill|killpg|abort|fork|forkpty|system|popen|posix_spawnp?|startfile|(exec|spawn)[lv]p?e?"
)
_STARTS_NOTHING = {"list2cmdline", "SubprocessError"}
_PSUTIL_ENDS = {"kill", "terminate", "suspend", "resume", "send_signal"}
# Built from parts so that this file passes its own rule.
_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def findings() -> str:
    """One line `file:line: what` for each breach in the checkout; "" when there is none."""
    return "\n".join(_all_findings(ROOT))


def _all_findings(root: Path) -> Iterator[str]:
    for path in python_files(*OURS, root=root):
        if "data" in path.parent.relative_to(root).parts[1:]:
            continue  # test data, which may be broken on purpose
        source = path.read_text(encoding="utf-8")
        name = path.relative_to(root)
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            yield f"{name}:{error.lineno}: {error.msg}"
            continue
        breaches = [*unfinished(source)]
        # errors.py draws the class tree in its docstring; a shelf item's docstring has lines for Katana.
        if name.parts[0] in SHIPPED and path.name != "errors.py" and "Shelves" not in name.parts:
            breaches += opening(tree)
        if name.parts[0] == "plugins":
            breaches += plugin_imports(tree)
        if name.parts[0] == "kq" and name.parts[1] != "process":
            breaches += process_control(tree)
        for line, what in breaches:
            yield f"{name}:{line}: {what}"


def opening(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A module with content opens with a docstring of at most three lines of text."""
    text = ast.get_docstring(tree)
    if not tree.body:
        return
    if text is None:
        yield 1, "the module has no docstring that says what lives here and what never does"
        return
    if sum(bool(line.strip()) for line in text.splitlines()) > 3:
        yield 1, "the module's docstring has more than three lines"


def unfinished(source: str) -> Iterator[tuple[int, str]]:
    """No comment marks unfinished work."""
    if not _UNFINISHED.search(source):
        return  # tokenizing every file would take seconds
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT and _UNFINISHED.search(token.string):
            yield token.start[0], f"a comment puts work off: {token.string.strip()}"


def plugin_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A plug-in imports kq.api, Katana, PySide6, the standard library and other plug-ins, no deeper."""
    for node in ast.walk(tree):
        for name in _imported_names(node):
            first = name.partition(".")[0]
            fine = (
                name == "kq.api" or name.startswith("kq.api.")
                if first == "kq"
                else first in _PLUGINS_MAY_IMPORT
            )
            if not fine:
                yield (
                    getattr(node, "lineno", 1),
                    f"a plug-in may not import {name}; of kq it may import kq.api only",
                )


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and (not node.level or node.level > 1):
        # A relative import beyond the plug-in is resolved from the package root.
        if node.level and node.module.partition(".")[0] not in {"kq", "host"}:
            return
        if node.module == "kq":
            yield from (f"kq.{alias.name}" for alias in node.names)
        else:
            yield node.module
    elif isinstance(node, ast.Call) and node.args:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        aim = node.args[0]
        if (
            called in {"import_module", "__import__"}
            and isinstance(aim, ast.Constant)
            and isinstance(aim.value, str)
        ):
            yield aim.value


def process_control(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Only kq/process starts and ends processes."""
    imports_psutil = any("psutil" in _imported_names(node) for node in ast.walk(tree))
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        for name in _imported_names(node):
            if name.partition(".")[0] in {"multiprocessing", "pty"}:
                yield line, f"{name} is for kq/process alone"
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "subprocess"}:
            for alias in node.names:
                if _STARTS_OR_ENDS.fullmatch(alias.name) or (
                    node.module == "subprocess" and alias.name not in _STARTS_NOTHING
                ):
                    yield line, f"{node.module}.{alias.name} is for kq/process alone"
        if not isinstance(node, ast.Attribute):
            continue
        of_module = node.value.id if isinstance(node.value, ast.Name) else ""
        if of_module == "os" and _STARTS_OR_ENDS.fullmatch(node.attr):
            yield line, f"os.{node.attr} is for kq/process alone"
        elif of_module == "subprocess" and node.attr not in _STARTS_NOTHING:
            yield line, f"subprocess.{node.attr} is for kq/process alone"
        elif of_module == "signal" and node.attr == "pidfd_send_signal":
            yield line, "signal.pidfd_send_signal is for kq/process alone"
        elif imports_psutil and node.attr in _PSUTIL_ENDS:
            yield line, f"psutil's {node.attr} is for kq/process alone"
