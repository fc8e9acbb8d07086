"""Reads and extends the known_hosts files of `ssh`. Does not prompt.

See sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from ..errors import RemoteFailed

__all__ = ["KnownKeys", "add_known_key", "find_known_keys"]

Key = tuple[str, bytes]
"""Key type and key bytes."""


class KnownKeys(msgspec.Struct, frozen=True):
    """The entries for one host in the known_hosts files."""

    accepted: tuple[Key, ...] = ()
    revoked: tuple[Key, ...] = ()
    place: str = ""
    """Path of the file with the first accepted key; empty when there is none."""
    has_authority: bool = False
    """Whether a certificate authority is given for the host."""

    @property
    def kinds(self) -> set[str]:
        """Types of the accepted keys."""
        return {kind for kind, _ in self.accepted}


def find_known_keys(paths: Iterable[str], name: str) -> KnownKeys:
    """Return the entries for the host `name` in the files `paths`. A missing file counts as empty.

    Raises:
        RemoteFailed: a file cannot be read.
    """
    accepted: list[Key] = []
    revoked: list[Key] = []
    place, has_authority = "", False
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RemoteFailed(f"{path} cannot be read: {error.strerror}") from error
        for marker, key in _lines_of(lines, name.lower()):
            if marker == "@revoked":
                revoked.append(key)
            elif marker == "@cert-authority":
                has_authority = True
            elif not marker:
                accepted.append(key)
                place = place or path
    return KnownKeys(tuple(accepted), tuple(revoked), place, has_authority)


def _lines_of(lines: Iterable[str], name: str) -> Iterator[tuple[str, Key]]:
    """Yield marker and key of each line for `name`. Invalid lines are ignored, as by ssh."""
    for line in lines:
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _is_among(name, words[0].split(",")):
            continue
        try:
            yield marker, (words[1], base64.b64decode(words[2], validate=True))
        except binascii.Error:
            continue


def _is_among(name: str, patterns: Sequence[str]) -> bool:
    """Whether `name` matches a pattern, and none that begins with `!`."""
    fits = False
    for pattern in patterns:
        if pattern.startswith("|1|"):
            fits = fits or _is_hash_of(name, pattern)
        elif _fits(name, pattern.removeprefix("!").lower()):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def _fits(name: str, pattern: str) -> bool:
    # Not fnmatch: brackets, as in [host]:port, are literal in known_hosts.
    letters = {"*": ".*", "?": "."}
    return re.fullmatch("".join(letters.get(each, re.escape(each)) for each in pattern), name) is not None


def _is_hash_of(name: str, text: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in text[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def add_known_key(path: str, name: str, key: Key) -> None:
    """Append the accepted key of host `name` to `path`. Raises RemoteFailed when that cannot be written."""
    kind, content = key
    line = f"{name} {kind} {base64.b64encode(content).decode('ascii')}\n"
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    line = "\n" + line
            file.write(line.encode())
    except OSError as error:
        raise RemoteFailed(f"{path} cannot be written: {error.strerror}") from error
