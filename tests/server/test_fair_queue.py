"""Turns and bounds of what waits for the server's files, for any sequence of what may happen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kq.server.fair_queue import FairQueue, QueueLimits

LIMITS = QueueLimits(pieces_of_agent=4, bytes_of_key=100, bytes_of_all=200)
AGENTS = [f"{key}:{number}" for key in "abc" for number in range(3)]
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(AGENTS), st.integers(0, 60)),
    st.tuples(st.just("take"), st.just(""), st.just(0)),
    st.tuples(st.just("forget"), st.sampled_from(AGENTS), st.just(0)),
)


@given(st.lists(STEPS, max_size=80))
def test_bounds_hold_and_nothing_is_lost_or_reordered(steps: list[tuple[str, str, int]]) -> None:
    """What was accepted comes out once, in its Agent's order; no more ever waits than the limits say."""
    queue: FairQueue[tuple[str, int, int]] = FairQueue(LIMITS)
    waiting: dict[str, list[tuple[str, int, int]]] = {agent: [] for agent in AGENTS}
    for number, (what, agent, size) in enumerate(steps):
        if what == "put":
            if queue.put(agent[0], agent, (agent, number, size), size):
                waiting[agent].append((agent, number, size))
        elif what == "take":
            taken = queue.take()
            assert (taken is None) == (not any(waiting.values()))
            if taken is not None:
                assert taken[1] == waiting[taken[1][0]].pop(0)
                assert taken[0] == taken[1][0][0]
        else:
            queue.forget(agent)
            waiting[agent].clear()
        assert len(queue) == sum(map(len, waiting.values()))
        assert all(len(pieces) <= LIMITS.pieces_of_agent for pieces in waiting.values())
        for key in "abc":
            used = sum(size for each in AGENTS if each[0] == key for _, _, size in waiting[each])
            assert used <= LIMITS.bytes_of_key
        assert sum(size for pieces in waiting.values() for _, _, size in pieces) <= LIMITS.bytes_of_all


@given(st.lists(st.sampled_from(AGENTS), min_size=1, max_size=60), st.sampled_from(AGENTS))
def test_each_waits_for_one_piece_of_every_other(flood: list[str], late: str) -> None:
    """However much came before: a piece of each other key, and of each other Agent of one's own key."""
    queue: FairQueue[str] = FairQueue()
    for agent in flood:
        queue.put(agent[0], agent, agent, 1)
    mine = flood.count(late)
    assert queue.put(late[0], late, late, 1) == (mine < 32)
    if mine:
        return
    others_of_key = len({agent for agent in flood if agent[0] == late[0]})
    before = []
    while (taken := queue.take()) is not None and taken[1] != late:
        before.append(taken[0])
    assert before.count(late[0]) <= others_of_key
    for key in set(before) - {late[0]}:
        assert before.count(key) <= others_of_key + 1


def test_what_is_not_done_comes_first_at_the_next_turn() -> None:
    """And others have theirs meanwhile."""
    queue: FairQueue[str] = FairQueue()
    for agent, work in (("a:1", "long"), ("a:1", "after it"), ("b:1", "short")):
        assert queue.put(agent[0], agent, work, 10)
    assert queue.take() == ("a", "long")
    queue.put_back("a", "a:1", "long", 10)
    assert [queue.take() for _ in range(4)] == [("b", "short"), ("a", "long"), ("a", "after it"), None]
