#!/usr/bin/env python3
"""Runs one task of a farm job on a farm's machine: `python3 run_task.py TASK`, from the job's own folder.

Uses nothing but the standard library of Python 3.6 and later, and is copied into each job, so that a job
continues whatever becomes of the installation that submitted it. It writes a record at the start and at the
end of its attempt; these records, not the engine, say what has been rendered.

Exit codes: of the command that failed; 0 also when an earlier attempt has completed the task; 75 when the
job's folder cannot be used.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

EXIT_CANNOT_RUN = 75
PLACEHOLDER = re.compile(r"\{(frame|start|end|step)(?::0?([1-9])d)?\}")
PICTURE_FRAME = re.compile(r"#+|%(?:0([1-9]))?d")
KILL_AFTER_S = 4.0
"""How long a command that was asked to end may take: less than an engine gives us, which is 5 s and more."""

TAIL_BYTES = 2048
"""So much of a log's end is kept in the record."""


class Stopped(Exception):
    """The engine asked for the end."""


def main(argv):
    """Run the task that `argv` names. Returns the exit code."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        task = int(argv[1])
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            job = json.load(file)
        frames = job["tasks"][task]
        commands = [[filled(text, frames) for text in command] for command in job["commands"]]
    except (OSError, ValueError, LookupError) as error:
        print(f"run_task: the job in {folder} cannot be read: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    records = os.path.join(folder, "records")
    if is_complete(records, task):
        print(f"run_task: task {task} is complete already")
        return 0
    if os.path.exists(os.path.join(folder, "stop")):
        print("run_task: the job was stopped")
        return EXIT_CANNOT_RUN
    unseen = ""
    if os.path.exists(os.path.join(folder, "marked")) and not os.path.exists(job["mark"]):
        unseen = job["output"]
    try:
        number, start = begin(records, task)
        log = open(os.path.join(folder, "logs", f"{task}.{number}.log"), "ab", buffering=0)
    except OSError as error:
        print(f"run_task: {folder} cannot be written: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    with log:
        if unseen:
            reason = f"this machine does not see the folder {unseen}: write pictures to a file share"
            log.write(f"error: {reason}\n".encode("utf-8", "replace"))
            outcome, code = "failed", EXIT_CANNOT_RUN
        else:
            outcome, code, reason = run(job, task, number, commands, log)
    handle_stops(signal.SIG_IGN)  # what has been rendered is to have its record
    usage = usage_of_children()
    end = dict(start, ended=time.time(), outcome=outcome, exit_code=code, reason=reason, **usage)
    picture = os.path.join(job.get("cwd", ""), filled_picture(job["picture"], frames))
    if os.path.isfile(picture):
        end["picture"] = picture
    end["tail"] = tail_of(log.name)
    end["unseen"] = unseen
    write(os.path.join(records, f"{task}.{number}.end.json"), end)
    return code if 0 <= code < 128 else 128 - code if code < 0 else code


def filled(text, frames):
    """`text` with its placeholders filled, by the rules of kq; `frames`: first, last and step, or none."""
    if not frames:
        return text
    values = {"frame": frames[0], "start": frames[0], "end": frames[1]}
    values["step"] = frames[2] if frames[0] != frames[1] else 1
    return PLACEHOLDER.sub(lambda found: f"{values[found.group(1)]:0{found.group(2) or 1}d}", text)


def filled_picture(text, frames):
    """The same of a picture's path, in whose name `####` and `%04d` stand for the frame, too."""
    if not frames:
        return text

    def digits(found):
        width = len(found.group()) if found.group().startswith("#") else int(found.group(1) or 1)
        return f"{frames[0]:0{width}d}"

    text = filled(text, frames)
    name_at = max(text.rfind("/"), text.rfind("\\")) + 1
    return text[:name_at] + PICTURE_FRAME.sub(digits, text[name_at:])


def is_complete(records, task):
    """Whether an attempt of the task has completed it."""
    for number in attempts_of(records, task):
        try:
            with open(os.path.join(records, f"{task}.{number}.end.json"), encoding="utf-8") as file:
                if json.load(file)["outcome"] == "completed":
                    return True
        except (OSError, ValueError, KeyError):
            continue
    return False


def attempts_of(records, task):
    """The numbers of the task's attempts so far."""
    pattern = re.compile(rf"{task}\.(\d+)\.start\.json$")
    return sorted(int(found.group(1)) for found in map(pattern.match, os.listdir(records)) if found)


def first_set(*names):
    """The first of these variables that is set: Slurm's name for it, or that of OpenCue's RQD."""
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def begin(records, task):
    """Take the next attempt's number; no two runners get the same. Returns it with its start record."""
    start = {
        "task": task,
        "host": socket.gethostname(),
        "node": first_set("SLURMD_NODENAME", "jobhost"),
        "pid": os.getpid(),
        "token": os.environ.get("KQ_TOKEN", ""),
        "engine_id": first_set("SLURM_ARRAY_JOB_ID", "jobid"),
        "started": time.time(),
    }
    number = (attempts_of(records, task) or [0])[-1] + 1
    while True:
        start["attempt"] = number
        path = os.path.join(records, f"{task}.{number}.start.json")
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(start, file)
        return number, start


def run(job, task, number, commands, log):
    """Run the commands in order; the first that fails ends it. Returns outcome, exit code and reason.

    Stops are ignored afterwards.
    """
    environment = dict(os.environ)
    environment.update(job.get("environment", {}))
    environment.update(KQ_JOB=job["id"], KQ_TASK=str(task), KQ_ATTEMPT=f"{job['id']}/{task}/{number}")
    cores = first_set("SLURM_CPUS_PER_TASK", "CUE_THREADS") or str(usable_cores())
    environment.setdefault("KQ_THREADS", cores)
    process, ending = None, ("stopped", 143, "stopped by the engine")
    try:
        handle_stops(_stop)
        for command in commands:
            try:
                # In our own process group, which the engine knows: what we do not end, it ends.
                process = subprocess.Popen(
                    command,
                    cwd=job.get("cwd") or None,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            except (OSError, ValueError) as error:
                message = f"{command[0]} cannot be started: {error}"
                log.write(f"error: {message}\n".encode("utf-8", "replace"))
                ending = "failed", 127, message
                break
            code = process.wait()
            if code != 0:
                how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
                ending = "failed", code, how
                break
        else:
            ending = "completed", 0, ""
        handle_stops(signal.SIG_IGN)  # before the `try` ends: a stop between would be caught nowhere
    except Stopped:
        end(process)
    return ending


def handle_stops(handler):
    """Set what is done when the engine asks for the end."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handler)


def _stop(_number, _frame):
    handle_stops(signal.SIG_IGN)  # the next one would interrupt the end
    raise Stopped


def end(process):
    """Ask the command to end, and kill it when it does not; the engine ends what else is left of the task."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def usable_cores():
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def tail_of(path):
    """The last lines of a log: whoever follows the job need not open each log for them."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.path.getsize(path) - TAIL_BYTES, 0))
            return file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def usage_of_children():
    """What the commands used."""
    try:
        import resource
    except ImportError:
        return {}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"peak_memory": used.ru_maxrss * 1024, "cpu_s": used.ru_utime + used.ru_stime}


def write(path, record):
    """Write a record whole or not at all."""
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
