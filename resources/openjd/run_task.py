"""Runs the commands of one task of an Open Job Description bundle: `run_task.py JOB.json NAME=VALUE ...`.

Embedded in the bundle's template. Only the standard library of Python 3.6 and later. JOB.json holds the
commands, in which `{Param.NAME}` stands for a value given here, and `{frame}`, `{start}`, `{end}` and
`{step}` for the frames in `Frame=1-4,7`. Exit codes: of the command that failed; 127 when a program is
missing.
"""

import json
import os
import re
import signal
import subprocess
import sys

PLACEHOLDER = re.compile(r"[{](?:Param[.](\w+)|(frame|start|end|step)(?::0?([1-9])d)?)[}]")
PROGRESS = re.compile(rb"\bALF_PROGRESS\s+(\d{1,3})(?:\.\d+)?\s*%?(?!\S)")


def frames_in(text):
    """The frames of `1-4,7-11:2`, in the order written."""
    frames = []
    for part in text.split(","):
        first, last, step = re.match(r"\s*(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*:\s*(\d+))?)?\s*$", part).groups()
        frames += range(int(first), int(last or first) + 1, int(step or 1))
    return frames


def runs_of(frames, has_step):
    """The frames in runs that one command can render: with equal steps, of 1 without `has_step`."""
    runs = []
    for frame in sorted(frames):
        last = runs[-1] if runs else []
        step = frame - last[-1] if last else 0
        fits = step == last[1] - last[0] if len(last) > 1 else step == 1 or (has_step and step > 1)
        if last and fits:
            last.append(frame)
        else:
            runs.append([frame])
    return runs


def filled(text, values, run):
    """`text` with its placeholders replaced; one that is not known stays."""

    def value_of(found):
        name, kind, width = found.groups()
        if name is not None:
            return values.get(name, found.group(0))
        if not run:
            return found.group(0)
        step = run[1] - run[0] if len(run) > 1 else 1
        numbers = {"frame": run[0], "start": run[0], "end": run[-1], "step": step}
        return "{:0{}d}".format(numbers[kind], width or 1)

    return PLACEHOLDER.sub(value_of, text)


def render(command, folder, environment, running, is_stopped):
    """Run one command; its output is copied, with its progress in OpenJD's form. Returns the exit code.

    `running` holds the process meanwhile, for the signal that ends it, and fills `is_stopped`.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder or None,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except (OSError, ValueError) as error:
        print(f"openjd_fail: {command[0]} cannot be started: {error}", flush=True)
        return 127

    running.append(process)
    if is_stopped:  # while it was started
        process.terminate()
    with process.stdout as lines:
        for line in lines:
            sys.stdout.buffer.write(line)
            found = PROGRESS.search(line)
            if found:
                sys.stdout.buffer.write(b"openjd_progress: %d\n" % min(int(found.group(1)), 100))
            sys.stdout.buffer.flush()
    code = process.wait()
    running.remove(process)
    return 128 - code if code < 0 else code


def main(argv):
    """Run the task. Returns the exit code."""
    with open(argv[1], encoding="utf-8") as file:
        job = json.load(file)
    values = dict(each.split("=", 1) for each in argv[2:])
    frames = frames_in(values["Frame"]) if "Frame" in values else []
    for name in job["outputs"]:
        os.makedirs(values[name], exist_ok=True)
    environment = dict(os.environ)
    for name, text in job["environment"].items():
        environment[name] = filled(text, values, [])
    folder = filled(job["folder"], values, [])
    if not os.path.isdir(folder):
        folder = ""  # of the machine that the job comes from
    running = []
    is_stopped = []

    def stop(_number, _frame):
        is_stopped.append(True)
        for process in running:
            process.terminate()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    for run in runs_of(frames, job["has_step"]) or [[]]:
        for command in job["commands"]:
            if is_stopped:
                return 143
            words = [filled(text, values, run) for text in command]
            code = render(words, folder, environment, running, is_stopped)
            if code != 0:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
