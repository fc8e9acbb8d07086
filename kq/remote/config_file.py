"""Parses ~/.ssh/config and the files that it includes."""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import paramiko

from ..errors import BadInput, KqError

__all__ = ["SshConfigFile", "words_of"]

_MAX_INCLUDES = 8
_CRITERIA = {"all", "canonical", "final", "exec", "host", "originalhost", "user", "localuser"}
"""Criteria of Match that paramiko supports: with any other it would apply the block to every host."""
_ALONE = {"all", "canonical", "final"}
_LINE = re.compile(r"\s*([^\s=]+)(?:\s*=\s*|\s+)(.*?)\s*")
"""A keyword and its value, separated by blanks or an equals sign."""
_ALL, _NONE = "Host *", "Host !*"


class SshConfigFile:
    """The parsed file.

    Attributes:
        notes: warnings about entries that are ignored here.
    """

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            BadInput: it cannot be read, or uses an unsupported feature.
        """
        self.path = folder / "config"
        self._folder = folder
        self.notes: list[str] = []
        try:
            lines = self._lines_of(self.path, 0, _ALL) if self.path.is_file() else []
            self._config = paramiko.SSHConfig.from_text("\n".join(lines))
        except KqError:
            raise
        except OSError as error:
            raise BadInput(f"{error.filename or self.path} cannot be read: {error.strerror}") from error
        except Exception as error:  # the parser's own errors have no common class
            raise BadInput(f"{self.path} cannot be read: {error}") from error

    def look_up(self, name: str) -> Mapping[str, object]:
        """Return the options for the host `name`, by lower-case keyword. Raises BadInput."""
        try:
            return self._config.lookup(name)
        except Exception as error:  # `Match exec` may fail in any way, and CanonicalizeHostname find nothing
            raise BadInput(f"{self.path} cannot be used for {name}: {error}") from error

    def names(self) -> list[str]:
        """Return the Hosts in the file that are not patterns."""
        return sorted(name for name in self._config.get_hostnames() if not set("*?!") & set(name))

    def _lines_of(self, path: Path, depth: int, block: str) -> list[str]:
        """Return a file's lines, with included files in place: paramiko does not support Include.

        Args:
            depth: how many Includes led to the file.
            block: the Host or Match line below which it is included.
        """
        if depth > _MAX_INCLUDES:
            raise BadInput(f"{self.path} includes files that include each other without end, as {path}")
        lines: list[str] = []
        included_below = block
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            word, value = _word_and_value(line)
            if word in ("host", "match"):
                if included_below != _ALL:
                    raise BadInput(
                        f"{path} is included below `{included_below}`, and has a {word.title()} of its own: "
                        f"that is not supported: include it further up"
                    )
                block = line.strip()
                if word == "match" and not _is_known(value):
                    self.notes.append(f"`{block}` in {path} is ignored: unknown terms")
                    block = _NONE
                lines.append(block)
            elif word == "include":
                for included in self._files_of(value):
                    lines += [*self._lines_of(included, depth + 1, block), block]
            else:
                lines.append(line)
        return lines

    def _files_of(self, value: str) -> list[Path]:
        """Return the files that an Include matches; missing ones are ignored, as by ssh."""
        found: list[Path] = []
        for pattern in words_of(value):
            whole = os.path.join(self._folder, os.path.expanduser(pattern))  # noqa: PTH111, PTH118  # a pattern
            found += [Path(each) for each in sorted(glob.glob(whole)) if Path(each).is_file()]  # noqa: PTH207
        return found


def words_of(text: str) -> list[str]:
    """Split at blanks outside quotation marks. A backslash has no special meaning.

    Raises:
        BadInput: a quotation mark is missing.
    """
    parser = shlex.shlex(text, posix=True)
    parser.whitespace_split, parser.commenters, parser.escape = True, "", ""
    try:
        return list(parser)
    except ValueError as error:
        raise BadInput(f"in ~/.ssh/config, {text} lacks a quotation mark") from error


def _word_and_value(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    return (found[1].lower(), found[2]) if found else ("", "")


def _is_known(match: str) -> bool:
    words = [word.lower().lstrip("!") for word in words_of(match)]
    place = 0
    while place < len(words):
        word, equals, _ = words[place].partition("=")
        if word not in _CRITERIA:
            return False
        place += 1 if word in _ALONE or equals else 2
    return True
