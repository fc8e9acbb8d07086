"""The process that decodes pictures: a request a line on its input, replies and pixels on its output.

It ends when its input ends, in the middle of a picture too, and when a picture takes far too long.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from .messages import (
    MAX_FILE_BYTES,
    FailedReply,
    FileReadReply,
    PixelsReply,
    ReadRequest,
    Reply,
    UnchangedReply,
)
from .open_file import PictureError, open_regular, read_bounded, stamp_of

__all__ = ["main"]

MAX_ADDRESS_SPACE = 3 << 30
"""Of the largest file, the pixels of the largest picture, and what the conversion of an EXR adds."""
_OWN_TIMEOUT_S = 60.0
"""For when the desktop has died and a decoder holds Python's lock; else the desktop kills earlier."""
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def main() -> NoReturn:
    """Serve requests until the input ends."""
    source, output = os.dup(_INPUT), os.dup(_OUTPUT)
    os.dup2(_ERRORS, _OUTPUT)  # whatever a library prints there must not be taken for a reply
    nowhere = os.open(os.devnull, os.O_RDONLY)
    # On Windows a library that looks at its input while it is loaded (numpy's do) would wait for `_receive`.
    os.dup2(nowhere, _INPUT)
    os.close(nowhere)
    requests: queue.SimpleQueue[ReadRequest] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(source, requests), name="kq-requests", daemon=True).start()
    _limit_resources()
    try:
        from . import decoding  # noqa: F401  # before the first request, for which it takes 50 ms
    except ImportError:
        pass  # each request reports it
    while True:
        request = requests.get()
        faulthandler.dump_traceback_later(_OWN_TIMEOUT_S, exit=True)
        for part in _replies(request):
            _write(output, part)
        faulthandler.cancel_dump_traceback_later()


def _receive(source: int, requests: queue.SimpleQueue[ReadRequest]) -> None:
    """Take requests in on a thread, so that the end of the desktop ends a decoder at work."""
    decoder = msgspec.json.Decoder(ReadRequest)
    try:
        with open(source, "rb") as lines:
            for line in lines:
                requests.put(decoder.decode(line))
    finally:
        os._exit(0)


def _write(output: int, part: bytes) -> None:
    left = memoryview(part)
    try:
        while left:
            left = left[os.write(output, left) :]
    except OSError:
        os._exit(0)  # the desktop reads no more


def _replies(request: ReadRequest) -> Iterator[bytes]:
    try:
        yield from _read(request)
    except FileNotFoundError:
        yield _line(FailedReply("it is not written yet, or was deleted"))
    except OSError as error:
        yield _line(FailedReply(error.strerror or str(error)))
    except ValueError:  # a path with NUL, or with bytes that are no text
        yield _line(FailedReply("its path is not valid"))
    except ImportError as error:
        yield _line(
            FailedReply(
                f"this needs the Python package pillow, which {sys.executable} cannot import: {error}"
            )
        )
    except MemoryError:
        yield _line(FailedReply("it needs too much memory"))
    except PictureError as error:
        yield _line(FailedReply(str(error)))


def _read(request: ReadRequest) -> Iterator[bytes]:
    with open_regular(request.path) as file:
        stamp = stamp_of(file)
        if stamp == request.stamp:
            yield _line(UnchangedReply())
            return
        content = read_bounded(file, stamp[0])
    yield _line(FileReadReply())
    from .decoding import decode, pixels_of

    picture = decode(content, request.path, request.fit)
    content.close()
    yield _line(PixelsReply(picture.width, picture.height, picture.mode == "RGBa", stamp))
    yield from pixels_of(picture)


def _line(reply: Reply) -> bytes:
    return msgspec.json.encode(reply) + b"\n"


def _limit_resources() -> None:
    """Limit what a decoder that a file has taken over, or led astray, may use."""
    if sys.platform == "win32":
        return  # there only the limits of file size and pixels hold
    import resource

    limits = {
        resource.RLIMIT_AS: MAX_ADDRESS_SPACE,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,  # for a file in memory
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
