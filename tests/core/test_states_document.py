"""docs/states.md says what kq/states.py allows: every transition, in tables and diagrams, and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest

from kq.states import AGENT_TRANSITIONS, TASK_TRANSITIONS, AgentState, JobState, TaskState, derive_job_state

TEXT = (Path(__file__).parents[2] / "docs" / "states.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below `## title`."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("title", "table"), [("Tasks", TASK_TRANSITIONS), ("Agents", AGENT_TRANSITIONS)], ids=["tasks", "agents"]
)
def test_tables_and_diagrams_are_those_of_the_code(
    title: str, table: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    """Each row once, with who causes it."""
    in_code = sorted((old.value, new.value) for old, following in table.items() for new in following)
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (.+) \|$", section(title), re.MULTILINE)
    rows = [row for row in rows if row[0] != "from"]
    assert sorted((old, new) for old, new, _ in rows) == in_code
    drawn = re.findall(r"^ +(\w+) --> (\w+): \S", section(title), re.MULTILINE)
    assert sorted(drawn) == in_code


def test_the_states_of_jobs_follow_as_written() -> None:
    """Whatever the mixture: the first row of the table that fits is the code's answer."""
    rows = re.findall(r"^\| (.+) \| (\w+) \|$", section("Jobs"), re.MULTILINE)
    assert [JobState(state) for _, state in rows] == [
        JobState.RUNNING,
        JobState.WAITING,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.COMPLETED,
    ]
    for present in product((0, 1), repeat=len(TaskState)):
        counts = dict(zip(TaskState, present, strict=True))
        if not any(present):
            continue
        for what, state in rows:
            named = [task for task in TaskState if re.search(rf"\b{task}\b", what)]
            if any(counts[task] for task in named):
                assert derive_job_state(counts) == state
                break
        else:
            pytest.fail(f"no row of the table fits {counts}")


@pytest.mark.parametrize(
    ("title", "states", "table"),
    [("Tasks", TaskState, TASK_TRANSITIONS), ("Agents", AgentState, AGENT_TRANSITIONS)],
    ids=["tasks", "agents"],
)
def test_every_state_is_described_in_its_section(
    title: str, states: type[StrEnum], table: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    """Each has its line, and its row in the code's table, if only an empty one."""
    described = re.findall(r"\*\*(\w+)\*\*", section(title))
    assert sorted(described) == sorted(states)
    assert set(table) == set(states)
