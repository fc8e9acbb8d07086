"""The calls into kernel32 that kq makes, each declared with its types and checked for failure.

Nothing is decided here. A handle is an int. What has no docstring does what the function of that name does.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_int32, c_size_t, c_uint32, c_void_p, c_wchar_p
from typing import Any

from . import _windows_types as t

assert sys.platform == "win32"  # so that mypy checks this file for the system that it is for

__all__ = [
    "assign_current_process",
    "close_handle",
    "create_event",
    "create_job",
    "create_process",
    "duplicate_handle",
    "generate_ctrl_break",
    "get_exit_code",
    "get_process_cpu_s",
    "has_console",
    "job_accounting",
    "job_peak_memory",
    "job_processes",
    "open_process",
    "set_event",
    "set_own_priority",
    "terminate_job",
    "terminate_process",
    "wait_for_any",
    "wait_for_process",
]

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


def _declare(name: str, returns: Any, *arguments: Any) -> Any:
    function = getattr(_kernel32, name)
    function.restype = returns
    function.argtypes = arguments
    return function


# Without argtypes ctypes would cut handles and pointers to 32 bits. BOOL is int32.
_CreateProcessW = _declare(
    "CreateProcessW",
    c_int32,
    c_wchar_p,  # lpApplicationName
    c_void_p,  # lpCommandLine: written to by the system, so a buffer
    c_void_p,  # lpProcessAttributes
    c_void_p,  # lpThreadAttributes
    c_int32,  # bInheritHandles
    c_uint32,  # dwCreationFlags
    c_void_p,  # lpEnvironment
    c_wchar_p,  # lpCurrentDirectory
    c_void_p,  # lpStartupInfo: a STARTUPINFOEX here
    POINTER(t.ProcessInformation),
)
_InitializeProcThreadAttributeList = _declare(
    "InitializeProcThreadAttributeList", c_int32, c_void_p, c_uint32, c_uint32, POINTER(c_size_t)
)
_UpdateProcThreadAttribute = _declare(
    "UpdateProcThreadAttribute",
    c_int32,
    c_void_p,
    c_uint32,
    c_size_t,
    c_void_p,
    c_size_t,
    c_void_p,
    c_void_p,
)
_DeleteProcThreadAttributeList = _declare("DeleteProcThreadAttributeList", None, c_void_p)
_CloseHandle = _declare("CloseHandle", c_int32, c_void_p)
_DuplicateHandle = _declare(
    "DuplicateHandle", c_int32, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), c_uint32, c_int32, c_uint32
)
_GetCurrentProcess = _declare("GetCurrentProcess", c_void_p)
_OpenProcess = _declare("OpenProcess", c_void_p, c_uint32, c_int32, c_uint32)
_WaitForSingleObject = _declare("WaitForSingleObject", c_uint32, c_void_p, c_uint32)
_WaitForMultipleObjects = _declare(
    "WaitForMultipleObjects", c_uint32, c_uint32, POINTER(c_void_p), c_int32, c_uint32
)
_CreateEventW = _declare("CreateEventW", c_void_p, c_void_p, c_int32, c_int32, c_wchar_p)
_SetEvent = _declare("SetEvent", c_int32, c_void_p)
_GetExitCodeProcess = _declare("GetExitCodeProcess", c_int32, c_void_p, POINTER(c_uint32))
_GetProcessTimes = _declare("GetProcessTimes", c_int32, c_void_p, *[POINTER(t.FileTime)] * 4)
_TerminateProcess = _declare("TerminateProcess", c_int32, c_void_p, c_uint32)
_SetPriorityClass = _declare("SetPriorityClass", c_int32, c_void_p, c_uint32)
_GenerateConsoleCtrlEvent = _declare("GenerateConsoleCtrlEvent", c_int32, c_uint32, c_uint32)
_GetConsoleProcessList = _declare("GetConsoleProcessList", c_uint32, POINTER(c_uint32), c_uint32)
_CreateJobObjectW = _declare("CreateJobObjectW", c_void_p, c_void_p, c_wchar_p)
_SetInformationJobObject = _declare("SetInformationJobObject", c_int32, c_void_p, c_int32, c_void_p, c_uint32)
_QueryInformationJobObject = _declare(
    "QueryInformationJobObject", c_int32, c_void_p, c_int32, c_void_p, c_uint32, POINTER(c_uint32)
)
_AssignProcessToJobObject = _declare("AssignProcessToJobObject", c_int32, c_void_p, c_void_p)
_TerminateJobObject = _declare("TerminateJobObject", c_int32, c_void_p, c_uint32)


def _check(succeeded: int) -> None:
    if not succeeded:
        raise ctypes.WinError(ctypes.get_last_error())


def close_handle(handle: int) -> None:
    _check(_CloseHandle(handle))


def duplicate_handle(handle: int, *, inheritable: bool) -> int:
    """Another handle of this process for the same thing."""
    me = _GetCurrentProcess()
    copy = c_void_p()
    _check(_DuplicateHandle(me, handle, me, byref(copy), 0, int(inheritable), t.DUPLICATE_SAME_ACCESS))
    assert copy.value is not None
    return copy.value


def create_process(
    program: str,
    command_line: str,
    environment: str,
    cwd: str | None,
    streams: tuple[int, int, int],
    job: int | None,
    flags: int,
) -> tuple[int, int]:
    """Start `program`, in `job` from its first instruction on.

    It inherits the handles `streams` and no other (PROC_THREAD_ATTRIBUTE_HANDLE_LIST). It belongs to the job
    before it runs (PROC_THREAD_ATTRIBUTE_JOB_LIST: Windows 10, Server 2016), so that no child of it can be
    made outside; and, made without a breakaway flag, it is in all jobs of this process too (nested jobs).

    Returns:
        Its handle, and its pid.
    """
    # Both arrays and the list must stay as they are until the list is deleted.
    handles = (c_void_p * 3)(*streams)
    jobs = (c_void_p * 1)(job)
    size = c_size_t()
    # The first call fails by design and says how many bytes the list takes.
    _InitializeProcThreadAttributeList(None, 2, 0, byref(size))
    attributes = ctypes.create_string_buffer(size.value)
    _check(_InitializeProcThreadAttributeList(attributes, 2, 0, byref(size)))
    try:
        _check(
            _UpdateProcThreadAttribute(
                attributes,
                0,
                t.PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                handles,
                ctypes.sizeof(handles),
                None,
                None,
            )
        )
        if job is not None:
            _check(
                _UpdateProcThreadAttribute(
                    attributes, 0, t.PROC_THREAD_ATTRIBUTE_JOB_LIST, jobs, ctypes.sizeof(jobs), None, None
                )
            )
        startup = t.StartupInfoEx()
        startup.info.cb = ctypes.sizeof(startup)
        startup.info.flags = t.STARTF_USESTDHANDLES
        startup.info.std_input, startup.info.std_output, startup.info.std_error = streams
        startup.attributes = ctypes.addressof(attributes)
        made = t.ProcessInformation()
        line = ctypes.create_unicode_buffer(command_line)
        # Its own NULs part and end the block, so its length is given.
        block = ctypes.create_unicode_buffer(environment, len(environment))
        _check(
            _CreateProcessW(
                program,
                line,
                None,
                None,
                1,  # needed for the list of handles; only those are inherited
                flags | t.EXTENDED_STARTUPINFO_PRESENT | t.CREATE_UNICODE_ENVIRONMENT,
                block,
                cwd,
                byref(startup),
                byref(made),
            )
        )
    finally:
        _DeleteProcThreadAttributeList(attributes)
    close_handle(made.thread)
    return int(made.process), int(made.process_id)


def open_process(pid: int, access: int) -> int:
    handle = _OpenProcess(access, 0, pid)
    _check(handle is not None)
    return int(handle)


def wait_for_process(handle: int, timeout_ms: int) -> bool:
    """Whether it has ended. A process's handle is signalled from its end on, for good."""
    return bool(_WaitForSingleObject(handle, timeout_ms) == t.WAIT_OBJECT_0)


def wait_for_any(*handles: int) -> int:
    """Wait, however long, until one of them is signalled: a process has ended, an event is set.

    Returns:
        The first of them that is, counted from 0.
    """
    array = (c_void_p * len(handles))(*handles)
    return int(_WaitForMultipleObjects(len(handles), array, 0, t.INFINITE) - t.WAIT_OBJECT_0)


def create_event(name: str | None = None) -> int:
    """One that stays set once it is. Where there is one of that name, it is that one."""
    event = _CreateEventW(None, 1, 0, name)
    _check(event is not None)
    return int(event)


def set_event(event: int) -> None:
    _check(_SetEvent(event))


def get_exit_code(handle: int) -> int:
    """Of a process that has ended: while it runs, the answer would be 259, which may be a code as well."""
    code = c_uint32()
    _check(_GetExitCodeProcess(handle, byref(code)))
    return code.value


def get_process_cpu_s(handle: int) -> float:
    created, ended, kernel, user = (t.FileTime() for _ in range(4))
    _check(_GetProcessTimes(handle, byref(created), byref(ended), byref(kernel), byref(user)))
    return kernel.seconds + user.seconds


def terminate_process(handle: int, code: int) -> None:
    """Ask for its end. It is gone once its handle is signalled."""
    _check(_TerminateProcess(handle, code))


def set_own_priority(priority_class: int) -> None:
    """Children inherit it when it is below normal."""
    _check(_SetPriorityClass(_GetCurrentProcess(), priority_class))


def has_console() -> bool:
    """Whether this process is attached to a console, with a window or without."""
    return bool(_GetConsoleProcessList((c_uint32 * 1)(), 1) > 0)


def generate_ctrl_break(group: int) -> bool:
    """Reaches the processes of that group which share this process's console, and no others."""
    return bool(_GenerateConsoleCtrlEvent(t.CTRL_BREAK_EVENT, group))


def create_job(*, ends_when_closed: bool = True) -> int:
    """A job whose processes all end when its last handle is closed, also by this process's death.

    Args:
        ends_when_closed: False: they go on then.

    None of them may leave it, as neither limit that allows a breakaway is set. None of them stops for the
    system's crash dialog either, which would look like a render that never ends.
    """
    job = _CreateJobObjectW(None, None)
    _check(job is not None)
    limits = t.ExtendedLimits()
    limits.basic.limit_flags = t.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
    if ends_when_closed:
        limits.basic.limit_flags |= t.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    try:
        _check(
            _SetInformationJobObject(job, t.JOB_OBJECT_EXTENDED_LIMIT, byref(limits), ctypes.sizeof(limits))
        )
    except OSError:
        close_handle(job)
        raise
    return int(job)


def assign_current_process(job: int) -> None:
    """What this process starts from now on is in the job too; it can never leave it."""
    _check(_AssignProcessToJobObject(job, _GetCurrentProcess()))


def terminate_job(job: int, code: int) -> None:
    """Ask for the end of all its processes, those of jobs nested in it among them."""
    _check(_TerminateJobObject(job, code))


def job_accounting(job: int) -> tuple[int, float]:
    """How many processes are alive in the job, and the CPU seconds of all that ever were."""
    counts = t.BasicAccounting()
    _check(
        _QueryInformationJobObject(
            job, t.JOB_OBJECT_BASIC_ACCOUNTING, byref(counts), ctypes.sizeof(counts), None
        )
    )
    return counts.active_processes, (counts.total_user_time + counts.total_kernel_time) / 1e7


def job_peak_memory(job: int) -> int:
    """Bytes that the largest process of the job has ever committed."""
    limits = t.ExtendedLimits()
    _check(
        _QueryInformationJobObject(
            job, t.JOB_OBJECT_EXTENDED_LIMIT, byref(limits), ctypes.sizeof(limits), None
        )
    )
    return int(limits.peak_process_memory_used)


def job_processes(job: int) -> list[int]:
    """The pids in the job."""
    room = 64
    while True:
        # JOBOBJECT_BASIC_PROCESS_ID_LIST: two DWORDs, then that many ULONG_PTRs.
        fields = (("assigned", c_uint32), ("listed", c_uint32), ("pids", c_size_t * room))
        layout = type("_ProcessIds", (ctypes.Structure,), {"_fields_": fields})
        found: Any = layout()
        if _QueryInformationJobObject(
            job, t.JOB_OBJECT_BASIC_PROCESS_ID_LIST, byref(found), ctypes.sizeof(found), None
        ):
            return list(found.pids[: found.listed])
        if ctypes.get_last_error() != t.ERROR_MORE_DATA:
            raise ctypes.WinError(ctypes.get_last_error())
        room = max(2 * room, found.assigned)
