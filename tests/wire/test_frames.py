"""Frames: whatever the bytes are, they are a message of the right type or a MalformedMessage."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq import messages as m
from kq.errors import MalformedMessage
from kq.records import JobSpec
from kq.wire import FrameDecoder, VersionMismatch, encode
from kq.wire.frames import MAX_MESSAGE_BYTES

HEADER = encode(m.RegisterAgainOrder())[:4]
DECODERS = [
    FrameDecoder[object](types)
    for types in (m.RequestMessage, m.UpdateMessage, m.ServerReply, m.AgentOrder, m.BroadcastMessage)
]
SUBMIT = m.SubmitRequest(request=7, job_id="abcd1234", spec=JobSpec(name="ä", commands=(("true", "x"),)))
packed = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
)
tags = st.sampled_from(
    [each.__struct_config__.tag for each in m.__dict__.values()
     if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__struct_config__.tag]
)  # fmt: skip


def decode_or_refuse(frame: bytes) -> None:
    """Every decoder either gives a message or says that it is none; nothing else comes out."""
    for decoder in DECODERS:
        try:
            assert isinstance(decoder.decode(frame), msgspec.Struct)
        except MalformedMessage as error:
            assert str(error)


@given(st.binary(max_size=4096))
def test_any_bytes(frame: bytes) -> None:
    """With and without the header of a message."""
    decode_or_refuse(frame)
    decode_or_refuse(HEADER + frame)


@given(packed)
def test_any_msgpack(value: object) -> None:
    """Well-formed, but of no type of ours."""
    decode_or_refuse(HEADER + msgspec.msgpack.encode(value))


@given(
    tags, st.dictionaries(st.sampled_from(["request", "job_id", "spec", "agent", "attempt", "jobs"]), packed)
)
def test_messages_with_the_wrong_fields(tag: object, fields: dict[str, object]) -> None:
    """The tag is known; what follows is not what belongs to it."""
    decode_or_refuse(HEADER + msgspec.msgpack.encode({"type": tag, **fields}))


@given(st.data())
def test_messages_with_a_few_bytes_changed(data: st.DataObject) -> None:
    """As a fault of memory or a liar would change them."""
    frame = bytearray(encode(SUBMIT))
    for _ in range(data.draw(st.integers(1, 5))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(frame))
    decode_or_refuse(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def test_a_message_comes_back_as_it_was() -> None:
    """Encoded and decoded it is equal."""
    assert DECODERS[0].decode(encode(SUBMIT)) == SUBMIT


def test_another_version_is_named_with_ours() -> None:
    """Whatever stands behind the header: it is not looked at."""
    with pytest.raises(VersionMismatch, match=f"version 513.*{m.PROTOCOL_VERSION}") as caught:
        DECODERS[0].decode(b"KQ\x02\x01 anything")
    assert caught.value.theirs == 513


@pytest.mark.parametrize(
    ("frame", "fact"),
    [
        (b"", "mark"),
        (HEADER[:3], "mark"),
        (b"QK" + HEADER[2:] + b"\x80", "mark"),
        (HEADER, "truncated"),
        (HEADER + b"\x80", "`type`"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said(frame: bytes, fact: str) -> None:
    """A stranger's bytes are told from a message of ours that arrived damaged."""
    with pytest.raises(MalformedMessage) as caught:
        FrameDecoder[object](m.AgentOrder).decode(frame)
    assert type(caught.value) is MalformedMessage
    assert fact in str(caught.value)


def test_a_decoder_takes_its_own_messages_alone() -> None:
    """What an Agent is told is no request."""
    order = m.StopOrder(attempt="job/0/1", grace_s=2.0)
    assert FrameDecoder[object](m.BroadcastMessage).decode(encode(order)) == order
    with pytest.raises(MalformedMessage):
        FrameDecoder[object](m.RequestMessage).decode(encode(order))


@pytest.mark.parametrize(
    "message",
    [
        m.NoteRequest(request=1, job_ids=("job1",), note="half an emoji \ud83d"),
        m.PriorityRequest(request=1, job_ids=("job1",), priority=2**70),
    ],
    ids=["text", "number"],
)
def test_what_no_frame_can_hold_is_an_error_of_that_message(message: object) -> None:
    """One that its sender expects: any other would end the sender's thread."""
    with pytest.raises(MalformedMessage):
        encode(message)  # type: ignore[arg-type]


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    """Both sides draw the line at the same byte."""

    def of(length: int) -> m.LogUpdate:
        return m.LogUpdate(agent="a", attempt="j/0/1", offset=0, data=b"x" * length)

    room = MAX_MESSAGE_BYTES - len(encode(of(70_000))) + 70_000
    largest = encode(of(room))
    assert len(largest) == MAX_MESSAGE_BYTES
    assert FrameDecoder[object](m.UpdateMessage).decode(largest) == of(room)
    with pytest.raises(MalformedMessage):
        encode(of(room + 1))
    with pytest.raises(MalformedMessage, match="large"):
        FrameDecoder[object](m.UpdateMessage).decode(largest + b"x")


def test_size_is_looked_at_first() -> None:
    """A frame that is too large is refused, though it begins well; so is making one."""
    with pytest.raises(MalformedMessage, match="large"):
        DECODERS[0].decode(HEADER + bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(MalformedMessage, match="larger"):
        encode(m.EndOrder(reason="x" * MAX_MESSAGE_BYTES))


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa4type", b"\xdc\x00\x01"])
def test_deep_nesting(opening: bytes) -> None:
    """A hundred thousand lists in one another exhaust no stack."""
    decode_or_refuse(HEADER + opening * 100_000)
    decode_or_refuse(HEADER + b"\x82\xa4type\xa6submit\xa4spec" + opening * 100_000)


def test_a_list_that_claims_to_be_huge() -> None:
    """Its length is a lie: no memory is set aside for it."""
    decode_or_refuse(HEADER + b"\x83\xa4type\xa3job\xa7request\x01\xa7job_ids\xdd\xff\xff\xff\xff")


def test_what_a_client_sends_is_nothing_for_an_agent() -> None:
    """Each direction has types of its own."""
    for decoder in DECODERS[1:]:
        with pytest.raises(MalformedMessage):
            decoder.decode(encode(SUBMIT))
