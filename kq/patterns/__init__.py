"""What a render's output means: progress, pictures, errors and warnings, by patterns kept as data (*.toml).

It judges single lines. Agents and the log view read the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..states import Severity

__all__ = ["KINDS", "OutputPatterns", "known_renderers", "load_patterns", "renderer_of"]

_FOLDER = Path(__file__).parent
_SHARED = "shared"
_COLOUR = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")
_COLOUR_BYTES = re.compile(_COLOUR.pattern.encode())
KINDS = ("progress", "picture", "error", "warning", "failure")


class _Pattern:
    """One entry of the data, ready to be used on text and on bytes."""

    __slots__ = ("consequence", "has", "has_bytes", "search", "search_bytes", "source")

    def __init__(self, has: Sequence[str], match: str, *, case: bool, consequence: bool) -> None:
        flags = re.ASCII | (0 if case else re.IGNORECASE)
        self.has = tuple(has)
        self.has_bytes = tuple(word.encode() for word in has)
        self.search = re.compile(match, flags).search
        self.search_bytes = re.compile(match.encode(), flags & ~re.ASCII).search
        self.consequence = consequence
        self.source = match


class OutputPatterns:
    """The patterns for one renderer's output. Immutable; may be used from any thread.

    A line is given without its end. Bytes need not be UTF-8.
    """

    def __init__(self, renderer: str, tables: Mapping[str, Sequence[_Pattern]]) -> None:
        self.renderer = renderer
        self._progress = tuple(tables["progress"])
        self._picture = tuple(tables["picture"])
        self._error = tuple(tables["error"])
        self._warning = tuple(tables["warning"])
        self._failure = tuple(tables["failure"])
        self.keywords: Mapping[str, tuple[bytes, ...]] = {
            kind: tuple(sorted({word for pattern in tables[kind] for word in pattern.has_bytes}))
            for kind in KINDS
        }
        """For each of KINDS, in lower case. A line with none of a kind's words is not of that kind: so most
        lines need no closer look."""

    def classify(self, line: str) -> Severity | None:
        """Return the severity of a line, None if it has none. If it matches both, the first match decides."""
        if "\x1b" in line:
            line = _COLOUR.sub("", line)
        low = line.lower()
        error = _first(self._error, line, low)
        warning = _first(self._warning, line, low)
        if error < 0 and warning < 0:
            return None
        return Severity.ERROR if warning < 0 or 0 <= error <= warning else Severity.WARNING

    def is_error(self, line: bytes) -> bool:
        """Whether the line is an error, as `classify` sees it."""
        return self.classify(line.decode("utf-8", "replace")) is Severity.ERROR

    def is_warning(self, line: bytes) -> bool:
        """Whether the line is a warning, as `classify` sees it."""
        return self.classify(line.decode("utf-8", "replace")) is Severity.WARNING

    def is_consequence(self, line: bytes) -> bool:
        """Whether an error line only refers to an earlier error."""
        return any(True for _ in _matches((p for p in self._error if p.consequence), _plain(line)))

    def is_failure(self, line: bytes) -> bool:
        """Whether a render that printed this line and exited with 0 still looks failed."""
        return any(True for _ in _matches(self._failure, _plain(line)))

    def progress(self, line: bytes) -> float | None:
        """How far the render is, 0 to 1, by this line; None when it has no progress."""
        for match in _matches(self._progress, _plain(line)):
            found = _fraction({name: text for name, text in match.groupdict().items() if text is not None})
            if found is not None:
                return found
        return None

    def picture(self, line: bytes) -> str | None:
        """The path of the picture file that the line names, verbatim; None when it names none."""
        for match in _matches(self._picture, _plain(line)):
            return match["picture"].decode("utf-8", "surrogateescape")
        return None


def _plain(line: bytes) -> bytes:
    """The line without a terminal's colours, which hide where words begin."""
    return _COLOUR_BYTES.sub(b"", line) if b"\x1b" in line else line


def _first(patterns: Sequence[_Pattern], line: str, low: str) -> int:
    """Where the first match in the line starts; -1 without any."""
    first = -1
    for pattern in patterns:
        for word in pattern.has:
            if word in low:
                match = pattern.search(line)
                if match is not None and not 0 <= first <= match.start():
                    first = match.start()
                break
    return first


def _matches(patterns: Iterable[_Pattern], line: bytes) -> Iterator[re.Match[bytes]]:
    low = line.lower()
    for pattern in patterns:
        for word in pattern.has_bytes:
            if word in low:
                match = pattern.search_bytes(line)
                if match is not None:
                    yield match
                break


def _fraction(groups: Mapping[str, bytes]) -> float | None:
    if "percent" in groups:
        part, whole = float(groups["percent"]), 100.0
    elif "full" in groups:
        part, whole = len(groups["full"]), len(groups["full"]) + len(groups["empty"])
    else:
        # A name may occur once in an expression: its other branches carry a number behind.
        part = next(float(text) for name, text in groups.items() if name.startswith("done"))
        whole = next(float(text) for name, text in groups.items() if name.startswith("total"))
    return part / whole if 0 <= part <= whole and whole > 0 else None


@cache
def known_renderers() -> tuple[str, ...]:
    """The names that `load_patterns` knows."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml") if path.stem != _SHARED))


@cache
def renderer_of(program: str) -> str:
    """Which renderer a command's first word starts; empty when it is none of the known ones."""
    name = re.split(r"[/\\]", program)[-1].lower().removesuffix(".exe")
    for renderer in known_renderers():
        for known in _read(renderer).get("programs", ()):
            if re.fullmatch(re.escape(known) + r"[-_.\d]*", name):
                return renderer
    return ""


@cache
def load_patterns(renderer: str = "") -> OutputPatterns:
    """The patterns for `renderer`, those that all share among them. Read once, then kept.

    Args:
        renderer: its name, in any case. Empty, or one that is not known: what all share, and every renderer's
            ways of telling progress and pictures, which are too peculiar to be mistaken.
    """
    name = renderer.strip().lower()
    if name in known_renderers():
        return OutputPatterns(name, _tables((_SHARED, name)))
    if renderer:
        return load_patterns("")
    tables = _tables((_SHARED,))
    everybody = _tables(known_renderers(), shared=True)
    for kind in ("progress", "picture"):
        tables[kind] += everybody[kind]
    return OutputPatterns("", tables)


def _tables(names: Sequence[str], *, shared: bool = False) -> dict[str, list[_Pattern]]:
    """By kind. `shared`: for output of an unknown renderer, without entries that need its name."""
    tables: dict[str, list[_Pattern]] = {kind: [] for kind in KINDS}
    for name in names:
        content = _read(name)
        for kind in KINDS:
            for number, entry in enumerate(content.get(kind, ()), 1):
                if shared and entry.get("named_only"):
                    continue
                tables[kind].append(_pattern(entry, f"entry {number} of [[{kind}]] in {name}.toml"))
    return tables


def _pattern(entry: Mapping[str, Any], where: str) -> _Pattern:
    has = [entry["has"]] if isinstance(entry.get("has"), str) else entry.get("has", [])
    if not has or any(not word or word != word.lower() for word in has):
        raise BadInput(f"{where} needs `has`: text in lower case that the line holds")
    try:
        return _Pattern(
            has,
            entry["match"],
            case=bool(entry.get("case", False)),
            consequence=bool(entry.get("consequence", False)),
        )
    except (KeyError, re.error) as error:
        raise BadInput(f"{where} has no usable `match`: {error}") from error


@cache
def _read(name: str) -> dict[str, Any]:
    import tomllib  # an Agent starts without: it has no output to read yet

    path = _FOLDER / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is not valid TOML: {error}") from error
