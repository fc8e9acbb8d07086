"""Requests without an answer: how many are sent, what is sent again, how they end. Nothing is connected."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from kq import messages as m
from kq.client.open_requests import OpenRequests
from kq.errors import BadInput, ConnectionLost, MalformedMessage, Refused
from kq.wire.frames import encode


def asked(requests: OpenRequests, count: int) -> list[Future[Any]]:
    """The futures of so many new requests."""
    futures: list[Future[Any]] = [Future() for _ in range(count)]
    for future in futures:
        number = requests.new_number()
        requests.add(m.PauseQueueRequest(request=number, paused=True), future, lambda reply: reply.request)
    return futures


def test_so_many_at_a_time_in_the_order_asked() -> None:
    """The next is sent when one is answered; an answer that nobody waits for changes nothing."""
    requests, sent = OpenRequests(), []
    futures = asked(requests, 300)
    requests.send_more(lambda request: sent.append(request.request))
    assert sent == list(range(1, 257))
    requests.take_reply(m.DoneReply(request=7))
    requests.take_reply(m.DoneReply(request=7))
    requests.send_more(lambda request: sent.append(request.request))
    assert sent[256:] == [257]
    assert futures[6].result(0) == 7
    assert not futures[7].done()


def test_what_was_not_answered_is_sent_again() -> None:
    """In its order, and without what was answered before the server went."""
    requests, sent = OpenRequests(), []
    asked(requests, 3)
    requests.send_more(lambda request: None)
    requests.take_reply(m.DoneReply(request=2))
    requests.send_all_again(lambda request: sent.append(request.request))
    assert sent == [1, 3]


def test_a_text_that_cannot_be_sent_fails_alone() -> None:
    """A note with half an emoji ended the client's thread, and with it all requests and changes."""
    requests, sent = OpenRequests(), []
    note: Future[Any] = Future()
    number = requests.new_number()
    request = m.NoteRequest(request=number, job_ids=("job1",), note="\ud83d")
    requests.add(request, note, lambda reply: reply)
    asked(requests, 1)
    requests.send_more(lambda request: sent.append(encode(request)))
    assert len(sent) == 1
    with pytest.raises(MalformedMessage, match="ud83d"):
        note.result(0)


def test_each_way_to_fail() -> None:
    """Refused in the server's words and by its kind, too large to send, given up."""
    requests = OpenRequests()
    refused, unknown, unsendable, given_up = asked(requests, 4)

    def send(request: Any) -> None:
        if request.request == 3:
            raise BadInput("it is too large")

    requests.send_more(send)
    requests.take_reply(m.RefusedReply(request=1, kind="BadInput", message="no"))
    requests.take_reply(m.RefusedReply(request=2, kind="os", message="neither"))
    requests.fail_all(ConnectionLost("gone"))
    with pytest.raises(BadInput, match="no"):
        refused.result(0)
    with pytest.raises(Refused, match="neither"):
        unknown.result(0)
    with pytest.raises(BadInput, match="too large"):
        unsendable.result(0)
    with pytest.raises(ConnectionLost, match="gone"):
        given_up.result(0)
