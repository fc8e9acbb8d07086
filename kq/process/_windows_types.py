"""Windows' structures and constants for processes and jobs, as its headers declare them. No calls.

The types have fixed sizes, so that the layouts can be checked on any 64-bit system.
"""

from __future__ import annotations

from ctypes import Structure, c_int64, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

__all__ = [
    "BasicAccounting",
    "BasicLimits",
    "ExtendedLimits",
    "FileTime",
    "IoCounters",
    "ProcessInformation",
    "StartupInfo",
    "StartupInfoEx",
]

# winbase.h: creation flags
CREATE_NEW_PROCESS_GROUP = 0x0000_0200
CREATE_UNICODE_ENVIRONMENT = 0x0000_0400
EXTENDED_STARTUPINFO_PRESENT = 0x0008_0000
CREATE_BREAKAWAY_FROM_JOB = 0x0100_0000
CREATE_NO_WINDOW = 0x0800_0000
STARTF_USESTDHANDLES = 0x0000_0100
PROC_THREAD_ATTRIBUTE_HANDLE_LIST = 0x0002_0002
PROC_THREAD_ATTRIBUTE_JOB_LIST = 0x0002_000D
# winnt.h: jobs
JOB_OBJECT_BASIC_ACCOUNTING = 1
JOB_OBJECT_BASIC_PROCESS_ID_LIST = 3
JOB_OBJECT_EXTENDED_LIMIT = 9
JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION = 0x0000_0400
JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x0000_2000
# winnt.h, winbase.h: handles, waiting, priority
DUPLICATE_SAME_ACCESS = 0x0000_0002
SYNCHRONIZE = 0x0010_0000
PROCESS_TERMINATE = 0x0000_0001
PROCESS_QUERY_LIMITED_INFORMATION = 0x0000_1000
INFINITE = 0xFFFF_FFFF
WAIT_OBJECT_0 = 0
BELOW_NORMAL_PRIORITY_CLASS = 0x0000_4000
IDLE_PRIORITY_CLASS = 0x0000_0040
# wincon.h
CTRL_BREAK_EVENT = 1
# winerror.h
ERROR_MORE_DATA = 234


class StartupInfo(Structure):
    """STARTUPINFOW."""

    _fields_ = (
        ("cb", c_uint32),
        ("reserved", c_void_p),
        ("desktop", c_void_p),
        ("title", c_void_p),
        ("x", c_uint32),
        ("y", c_uint32),
        ("x_size", c_uint32),
        ("y_size", c_uint32),
        ("x_count_chars", c_uint32),
        ("y_count_chars", c_uint32),
        ("fill_attribute", c_uint32),
        ("flags", c_uint32),
        ("show_window", c_uint16),
        ("reserved2_size", c_uint16),
        ("reserved2", c_void_p),
        ("std_input", c_void_p),
        ("std_output", c_void_p),
        ("std_error", c_void_p),
    )


class StartupInfoEx(Structure):
    """STARTUPINFOEXW."""

    _fields_ = (("info", StartupInfo), ("attributes", c_void_p))


class ProcessInformation(Structure):
    """PROCESS_INFORMATION."""

    _fields_ = (
        ("process", c_void_p),
        ("thread", c_void_p),
        ("process_id", c_uint32),
        ("thread_id", c_uint32),
    )


class FileTime(Structure):
    """FILETIME: 100 nanoseconds each, in two halves."""

    _fields_ = (("low", c_uint32), ("high", c_uint32))

    @property
    def seconds(self) -> float:
        """As seconds."""
        return float((self.high << 32) | self.low) / 1e7


class BasicLimits(Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("per_process_user_time_limit", c_int64),
        ("per_job_user_time_limit", c_int64),
        ("limit_flags", c_uint32),
        ("minimum_working_set_size", c_size_t),
        ("maximum_working_set_size", c_size_t),
        ("active_process_limit", c_uint32),
        ("affinity", c_size_t),
        ("priority_class", c_uint32),
        ("scheduling_class", c_uint32),
    )


class IoCounters(Structure):
    """IO_COUNTERS."""

    _fields_ = (
        ("read_operations", c_uint64),
        ("write_operations", c_uint64),
        ("other_operations", c_uint64),
        ("read_bytes", c_uint64),
        ("write_bytes", c_uint64),
        ("other_bytes", c_uint64),
    )


class ExtendedLimits(Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", BasicLimits),
        ("io", IoCounters),
        ("process_memory_limit", c_size_t),
        ("job_memory_limit", c_size_t),
        ("peak_process_memory_used", c_size_t),
        ("peak_job_memory_used", c_size_t),
    )


class BasicAccounting(Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION."""

    _fields_ = (
        ("total_user_time", c_int64),
        ("total_kernel_time", c_int64),
        ("this_period_user_time", c_int64),
        ("this_period_kernel_time", c_int64),
        ("page_faults", c_uint32),
        ("total_processes", c_uint32),
        ("active_processes", c_uint32),
        ("terminated_processes", c_uint32),
    )
