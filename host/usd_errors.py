"""USD's errors in words for an artist, without USD's own source files and function names."""

from __future__ import annotations

import re

from pxr import Tf

_WHERE = re.compile(r"^(?P<path>.+):(?P<line>\d+):(?P<column>\d+): (?P<what>.+)$")
_TRIVIA = re.compile(r" \(at sub-part -?\d+ if there are multiple parts\)| at ''|anon:0x[0-9a-f]+:(?=[^@]+@)")


def words(error: object) -> str:
    """Return what `error`, a Tf.ErrorException or a composition error, says, for an artist.

    Of the several errors that one fault in a file makes, the first that names a line has the most to go by.
    """
    texts = _texts(error)
    for text in texts:
        where = _WHERE.match(text)
        if where is not None:
            return _message(f"line {where['line']}, column {where['column']}: {where['what']}")
    return _message(texts[0])


def _texts(error: object) -> list[str]:
    if isinstance(error, Tf.ErrorException) and error.args:
        texts = [each.commentary if isinstance(each, Tf.Error) else str(each) for each in error.args]
    else:
        texts = [str(error)]
    return [" ".join(text.split()).strip("' ") for text in texts]


def _message(text: str) -> str:
    """Return a USD message with @file@ and @file@<prim> in plain form and a full stop at the end."""
    text = re.sub(r"@([^@]*)@(?=<)", r"'\1' at ", _TRIVIA.sub("", text))
    return re.sub(r"@([^@]*)@", r"'\1'", text).rstrip(".") + "."
