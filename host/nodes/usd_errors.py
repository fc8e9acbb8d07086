"""USD's errors in words for an artist: what was wrong, without USD's own source files and function names."""

from __future__ import annotations

import re

from pxr import Tf

_WHERE = re.compile(r"^'?(?P<path>.+):(?P<line>\d+):(?P<column>\d+): (?P<what>.+)$", re.DOTALL)


def words(error: object) -> str:
    """Return what `error`, a Tf.ErrorException or a composition error, says, as one sentence."""
    text = str(error)
    if isinstance(error, Tf.ErrorException) and error.args:
        first = error.args[0]
        text = first.commentary if isinstance(first, Tf.Error) else str(first)
    text = " ".join(text.split()).strip("' ")
    where = _WHERE.match(text)
    if where is not None:
        text = f"line {where['line']}, column {where['column']}: {where['what']}"
    return text if text.endswith(".") else text + "."
