"""A coverage-guided fuzz of FrameDecoder with atheris, which is no dependency of kq: not run by pytest.

`pip install atheris`, then `python tests/wire/fuzz_frames.py -max_total_time=240 [CORPUS]`. It ends with an
error when decoding raises anything but MalformedMessage.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["kq"]):
    from kq import messages as m
    from kq.errors import MalformedMessage
    from kq.records import JobSpec
    from kq.wire.frames import FrameDecoder, encode

HEADER = encode(m.RegisterAgainOrder())[:4]
DECODERS = [
    FrameDecoder[object](types)
    for types in (m.RequestMessage, m.UpdateMessage, m.ServerReply, m.AgentOrder, m.BroadcastMessage)
]


def decode(data: bytes) -> None:
    for frame in (data, HEADER + data):
        for decoder in DECODERS:
            try:
                message = decoder.decode(frame)
            except MalformedMessage:
                continue
            spec = getattr(message, "spec", None)
            if isinstance(spec, JobSpec):
                check(spec)


def check(spec: JobSpec) -> None:
    """What the server does first with a job: no bytes may make it fail otherwise than by a sentence."""
    from kq.errors import BadInput

    try:
        spec.check()
    except BadInput:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, decode)
    atheris.Fuzz()
