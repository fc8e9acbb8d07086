"""The public interface of kq for plug-ins. Contains imports only."""

from .agent_config import AgentConfig
from .client.discovery import find_session, live_sessions
from .client.interpreter import Interpreter, check_interpreter
from .client.mirror import ConnectionStatus, QueueChange
from .client.queue_client import QueueClient
from .client.session import Session, current_session, start_session
from .clock import elapsed_s
from .command_line import join_command_line, split_command_line
from .desktop_render import DesktopRender
from .errors import (
    BadInput,
    BadSetting,
    ConnectionLost,
    KqError,
    NotFound,
    Refused,
    RemoteFailed,
    SessionFailed,
)
from .farms.catalogue import FARM_TITLES, open_farm
from .farms.farm import Farm
from .farms.published import FarmChange
from .frame_ranges import format_frames, parse_frames, stepped_ranges
from .frame_selection import picture_file, tasks_to_render
from .openjd.bundle import write_bundle
from .own_folders import local_user, own_data_root
from .patterns import OutputPatterns, load_patterns
from .pictures.open_file import PictureError
from .pictures.reader import Picture, PictureReader
from .placeholders import fill_picture
from .plain_text import quoted
from .records import (
    MAX_NOTE,
    MAX_PRIORITY,
    AgentRecord,
    AttemptRecord,
    JobRecord,
    JobSpec,
    QueueRecord,
    SessionRecord,
    TaskRecord,
    new_job_id,
    task_commands,
)
from .remote import (
    FoundHost,
    HostStore,
    RemoteChoices,
    RemoteHost,
    RemoteLauncher,
    RemoteQuestions,
    RemoteResult,
    RemoteStep,
    StepState,
    look_up_host,
    remote_choices,
)
from .settings import MAX_AGENTS, Settings, default_data_root
from .states import AgentState, JobState, Severity, TaskState
from .wording import (
    agent_state_text,
    job_state_text,
    not_saved_text,
    percent_text,
    reason_of,
    reason_of_task,
    warning_text,
    why_jobs_wait,
)

__all__ = [
    "FARM_TITLES",
    "MAX_AGENTS",
    "MAX_NOTE",
    "MAX_PRIORITY",
    "AgentConfig",
    "AgentRecord",
    "AgentState",
    "AttemptRecord",
    "BadInput",
    "BadSetting",
    "ConnectionLost",
    "ConnectionStatus",
    "DesktopRender",
    "Farm",
    "FarmChange",
    "FoundHost",
    "HostStore",
    "Interpreter",
    "JobRecord",
    "JobSpec",
    "JobState",
    "KqError",
    "NotFound",
    "OutputPatterns",
    "Picture",
    "PictureError",
    "PictureReader",
    "QueueChange",
    "QueueClient",
    "QueueRecord",
    "Refused",
    "RemoteChoices",
    "RemoteFailed",
    "RemoteHost",
    "RemoteLauncher",
    "RemoteQuestions",
    "RemoteResult",
    "RemoteStep",
    "Session",
    "SessionFailed",
    "SessionRecord",
    "Settings",
    "Severity",
    "StepState",
    "TaskRecord",
    "TaskState",
    "agent_state_text",
    "check_interpreter",
    "current_session",
    "default_data_root",
    "elapsed_s",
    "fill_picture",
    "find_session",
    "format_frames",
    "job_state_text",
    "join_command_line",
    "live_sessions",
    "load_patterns",
    "local_user",
    "look_up_host",
    "new_job_id",
    "not_saved_text",
    "open_farm",
    "own_data_root",
    "parse_frames",
    "percent_text",
    "picture_file",
    "quoted",
    "reason_of",
    "reason_of_task",
    "remote_choices",
    "split_command_line",
    "start_session",
    "stepped_ranges",
    "task_commands",
    "tasks_to_render",
    "warning_text",
    "why_jobs_wait",
    "write_bundle",
]
