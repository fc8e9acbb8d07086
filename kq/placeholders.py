"""Fills placeholders in commands and picture names, and finds misspelled ones. A leaf: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import BadInput
from .plain_text import quoted

__all__ = ["check_placeholders", "fill", "fill_picture", "misspelled_placeholders"]

_NAMES = ("frame", "start", "end", "step")
_PLACEHOLDER = re.compile(r"\{(frame|start|end|step)(?::0?([1-9])d)?\}")
_NEAR_MISS = re.compile(r"\{\s*(?:frames?|fram|frm|starts?|ends?)\s*(?::[^{}]*)?\}", re.IGNORECASE)
"""Misspelled placeholders, which are an error: all tasks would write the same file."""
_PICTURE_FRAME = re.compile(r"#+|%(?:0([1-9]))?d")
"""Frame number in a picture's name, in renderers' notation: `####` or `%04d`."""
_BRACED = re.compile(r"\{([A-Za-z][\w.-]{1,29})(?::[^{}]{0,9})?\}")
_MAX_MESSAGES = 5


def fill(text: str, frames: range | None) -> str:
    """Fill `{frame}`, `{start}`, `{end}` and `{step}` in `text`; without `frames` it is returned unchanged.

    `{frame:04d}` is padded to four digits, as in Python. The step of one frame is 1.
    """
    if frames is None:
        return text
    values = {"frame": frames[0], "start": frames[0], "end": frames[-1]}
    values["step"] = frames.step if len(frames) > 1 else 1
    return _PLACEHOLDER.sub(lambda match: f"{values[match[1]]:0{match[2] or 1}d}", text)


def fill_picture(text: str, frames: range | None) -> str:
    """Fill the picture path `text` for the task that renders `frames`; also `####` and `%04d` in its name."""
    if frames is None:
        return text
    filled = fill(text, frames)

    def digits(match: re.Match[str]) -> str:
        width = len(match[0]) if match[0].startswith("#") else int(match[1] or 1)
        return f"{frames[0]:0{width}d}"

    name_at = max(filled.rfind("/"), filled.rfind("\\")) + 1
    return filled[:name_at] + _PICTURE_FRAME.sub(digits, filled[name_at:])


def check_placeholders(texts: Iterable[str]) -> None:
    """Raise BadInput for a misspelled placeholder in the texts of a job with frames."""
    for text in texts:
        for found in _NEAR_MISS.finditer(text):
            if not _PLACEHOLDER.fullmatch(found[0]):
                known = "{frame}, {start}, {end}, {step} or {frame:04d}"
                raise BadInput(f"{quoted(found[0])} is not a placeholder: use {known}")


def misspelled_placeholders(texts: Iterable[str], *, has_frames: bool) -> tuple[str, ...]:
    """Return warnings about possible placeholders that are not filled, at most five.

    Only warnings, because a command may contain other braces, such as JSON.
    """
    messages: dict[str, None] = {}
    for text in texts:
        if "{" not in text:
            continue
        for found in _BRACED.finditer(text):
            if _PLACEHOLDER.fullmatch(found[0]):
                if not has_frames:
                    messages[f"{found[0]} is not replaced: the job has no frames"] = None
                continue
            meant = _meant(found[1].lower())
            if meant:
                messages[f"{found[0]} is not replaced: did you mean {{{meant}}}?"] = None
    return tuple(messages)[:_MAX_MESSAGES]


def _meant(word: str) -> str:
    """Return the placeholder of which `word` is a likely misspelling; empty when there is none."""
    for name in _NAMES:
        if _is_typing_error(word, name) or (name == "frame" and "frame" in re.split(r"[^a-z]+", word)):
            return name
    return ""


def _is_typing_error(word: str, name: str) -> bool:
    """Whether `word` is `name` with one letter added, missing, different, or two swapped."""
    if word == name or abs(len(word) - len(name)) > 1:
        return False
    at = next((place for place, pair in enumerate(zip(word, name, strict=False)) if pair[0] != pair[1]), -1)
    if at < 0:
        return True  # a letter more or less, at its end
    if len(word) != len(name):
        longer, shorter = (word, name) if len(word) > len(name) else (name, word)
        return longer[at + 1 :] == shorter[at:]
    swapped = name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]
    return word[at + 1 :] == name[at + 1 :] or word == swapped
