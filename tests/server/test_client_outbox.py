"""Replies to clients: each request gets one, whatever is in it."""

from __future__ import annotations

from typing import Any

import msgspec

from kq import messages as m
from kq.core import Core, CoreSettings
from kq.server.change_feed import ChangeFeed
from kq.server.client_outbox import ClientOutbox
from kq.wire.frames import MAX_MESSAGE_BYTES, encode


def test_a_reply_that_is_too_large_becomes_a_refusal() -> None:
    """Without one, whoever asked would wait for ever."""

    class Wire:
        sent: list[tuple[bytes, msgspec.Struct]] = []

        def send(self, peer: bytes, message: msgspec.Struct) -> bool:
            encode(message)
            self.sent.append((peer, message))
            return True

        def publish_to_clients(self, _event: object) -> None:
            pass

    wire: Any = Wire()
    outbox = ClientOutbox(wire, ChangeFeed(Core(CoreSettings(agents_wanted=0))))
    outbox.reply(b"peer", m.TaskStatesReply(request=7, states=bytes(MAX_MESSAGE_BYTES), written=()))
    outbox.reply(b"peer", m.DoneReply(request=8))
    outbox.flush_all(0.0, is_durable=True)
    (_, refused), (_, done) = wire.sent
    assert isinstance(refused, m.RefusedReply) and (refused.request, refused.kind) == (7, "Refused")
    assert isinstance(done, m.DoneReply) and done.request == 8
