"""What a live render does next, as lists of instructions; and that two updates are one, the newer of both."""

from __future__ import annotations

import pytest

from host.renderboot.live.machine import Apply, Cancel, Complete, LiveMachine, Phase, Refine, RenderFirst
from host.renderboot.live.state import (
    LayerText,
    MalformedUpdateError,
    Update,
    decoded,
    encoded,
    merged,
)

FIRST = Update(1, root="a", layers={"a": LayerText("1", ("b",)), "b": LayerText("2")}, frame=1.0)
QUICK_S = 0.001


def rendering(samples: int = 8) -> LiveMachine:
    """A machine that refines the picture of its first update."""
    machine = LiveMachine()
    assert machine.updated(FIRST) == [Apply(FIRST)]
    assert machine.applied(samples) == [RenderFirst()]
    assert machine.first_shown() == [Refine(1)]
    return machine


def test_a_picture_is_refined_until_it_is_complete() -> None:
    """Each pass doubles the samples; then the files are written, once."""
    machine = rendering(8)
    assert machine.refined(1, QUICK_S) == [Refine(1)]
    assert machine.refined(1, QUICK_S) == [Refine(2)]
    assert machine.refined(2, QUICK_S) == [Refine(4)]
    assert machine.refined(4, QUICK_S) == [Complete()]
    assert machine.phase is Phase.IDLE


def test_a_slow_pass_does_not_grow() -> None:
    """No pass is longer than what an artist waits for, nor shorter than one sample."""
    machine = rendering(64)
    assert machine.refined(1, 30.0) == [Refine(1)]


def test_a_change_cancels_what_only_refines() -> None:
    """And is applied as soon as that has ended, whatever it had rendered."""
    machine = rendering()
    change = Update(2, layers={"b": LayerText("3")})
    assert machine.updated(change) == [Cancel()]
    assert machine.refined(0, QUICK_S) == [Apply(change)]


def test_while_an_artist_drags_each_first_picture_is_shown_and_the_newest_state_wins() -> None:
    """Thirty changes during one first picture: it is finished, and one update follows that is all of them."""
    machine = LiveMachine()
    machine.updated(FIRST)
    machine.applied(8)
    for number in range(2, 32):
        layers = {"b": LayerText(str(number))} if number % 2 else {"c": LayerText(str(number))}
        assert machine.updated(Update(number, layers=layers)) == []
    newest = Update(31, layers={"b": LayerText("31"), "c": LayerText("30")})
    assert machine.first_shown() == [Apply(newest)]
    assert machine.applied(8) == [RenderFirst()]
    assert machine.first_shown() == [Refine(1)]


def test_a_refused_change_ends_the_refinement_and_the_next_one_is_applied() -> None:
    """The picture before stays as it is until the scene is mended."""
    machine = rendering()
    machine.updated(Update(2, frame=5.0))
    machine.refined(0, QUICK_S)
    assert machine.refused() == []
    mended = Update(3, frame=1.0)
    assert machine.updated(mended) == [Apply(mended)]


def test_a_paused_render_holds_its_changes() -> None:
    """What runs ends; what comes is kept as one; it goes on where it was, or with what came."""
    machine = rendering(8)
    assert machine.updated(Update(paused=True)) == []
    assert machine.refined(1, QUICK_S) == []
    assert machine.updated(Update(paused=False)) == [Refine(1)]
    assert machine.updated(Update(paused=True)) == []
    assert machine.updated(Update(2, frame=2.0)) == []
    assert machine.refined(1, QUICK_S) == []
    assert machine.updated(Update(3, frame=3.0)) == []
    assert machine.updated(Update(paused=False)) == [Apply(Update(3, frame=3.0, paused=False))]


def test_a_pause_before_the_cancelled_pass_has_ended_loses_nothing() -> None:
    """The change that cancelled it is applied when the render goes on."""
    machine = rendering()
    assert machine.updated(Update(2, frame=2.0)) == [Cancel()]
    assert machine.updated(Update(paused=True)) == []
    assert machine.refined(0, QUICK_S) == []
    assert machine.updated(Update(paused=False)) == [Apply(Update(2, frame=2.0, paused=False))]


def test_an_update_survives_the_way_to_the_render() -> None:
    """Encoded and decoded it is the same, also where it says that something is empty."""
    for update in (
        FIRST,
        Update(),
        Update(9, paused=False, scale=2, region=()),
        Update(region=(0, 0.5, 1, 1)),
    ):
        assert decoded(encoded(update)) == update


def test_merging_in_steps_is_merging_at_once() -> None:
    """Whatever is gathered first, the result is the same."""
    updates = [
        FIRST,
        Update(2, layers={"b": LayerText("x")}),
        Update(3, frame=2.0, region=()),
        Update(paused=True),
    ]
    left = merged(merged(merged(updates[0], updates[1]), updates[2]), updates[3])
    right = merged(updates[0], merged(updates[1], merged(updates[2], updates[3])))
    assert (
        left
        == right
        == Update(3, "a", {"a": LayerText("1", ("b",)), "b": LayerText("x")}, 2.0, True, None, ())
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b'{"layers": {"a": 1}}',
        b'{"layers": {"a": {"text": ""}}}',
        b'{"scale": 0}',
        b'{"scale": 99}',
        b'{"region": [0, 0, 1]}',
        b'{"region": [0.5, 0, 0.5, 1]}',
        b'{"region": [0, 0, 1, 2]}',
        b'{"frame": "x"}',
        b'{"frame": NaN}',
        b'{"scale": Infinity}',
        b"[" * 200_000,
    ],
)
def test_what_is_no_update_is_refused(content: bytes) -> None:
    """With one kind of error, which the render survives."""
    with pytest.raises(MalformedUpdateError):
        decoded(content)
