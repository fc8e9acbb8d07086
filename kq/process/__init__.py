"""The only place that starts, watches and ends child processes. Sockets and messages never come here.

The modules _posix and _windows are twins: the same names, types and promises, chosen by the system.
"""

from __future__ import annotations

import sys

from ._commands import CommandResult, run_command
from ._system import raise_oom_score, system_mark, usable_cores
from ._types import INHERIT, LIFELINE, NOWHERE, EndReport, Exit, MarkedProcess, ProcessId, Usage
from ._wakeup import SignalWake, StdinLifeline, wait_for_byte

if sys.platform == "win32":
    from ._table_psutil import children_of, find_marked, process_start_time, tree_usage
    from ._windows import (
        Child,
        Watch,
        ask_to_stop,
        become_subreaper,
        is_running,
        keep_from_interrupts,
        lower_priority,
        lower_session,
        own_id,
        program_path,
        spawn_render,
        spawn_service,
        spawn_standby,
        watch,
    )
    from ._windows_termination import (
        TreeEnd,
        descendants,
        end_strays,
        end_tree,
        has_children,
        has_strays,
        reap_adopted,
    )
else:
    from ._posix import (
        Child,
        Watch,
        ask_to_stop,
        become_subreaper,
        is_running,
        keep_from_interrupts,
        lower_priority,
        lower_session,
        own_id,
        program_path,
        spawn_render,
        spawn_service,
        spawn_standby,
        watch,
    )
    from ._posix_termination import (
        TreeEnd,
        descendants,
        end_strays,
        end_tree,
        has_children,
        has_strays,
        reap_adopted,
    )

    if sys.platform == "linux":
        from ._table_linux import children_of, find_marked, process_start_time, tree_usage
    else:
        from ._table_psutil import children_of, find_marked, process_start_time, tree_usage

__all__ = [
    "INHERIT",
    "LIFELINE",
    "NOWHERE",
    "Child",
    "CommandResult",
    "EndReport",
    "Exit",
    "MarkedProcess",
    "ProcessId",
    "SignalWake",
    "StdinLifeline",
    "TreeEnd",
    "Usage",
    "Watch",
    "ask_to_stop",
    "become_subreaper",
    "children_of",
    "descendants",
    "end_strays",
    "end_tree",
    "find_marked",
    "has_children",
    "has_strays",
    "is_running",
    "keep_from_interrupts",
    "lower_priority",
    "lower_session",
    "own_id",
    "process_start_time",
    "program_path",
    "raise_oom_score",
    "reap_adopted",
    "run_command",
    "spawn_render",
    "spawn_service",
    "spawn_standby",
    "system_mark",
    "tree_usage",
    "usable_cores",
    "wait_for_byte",
    "watch",
]
