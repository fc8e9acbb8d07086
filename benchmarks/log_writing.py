"""Does the queue slow a render that writes 100 MB/s to its log, and what does reading it cost the Agent?

The bare limit is the same program with a plain file as its output, at the same niceness. The program
reports its own duration. It writes one error line in the middle, and one at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks.measuring import Doorbell, connected_session, figures, until
from kq.api import JobSpec, Session, Settings

__all__ = ["run"]

_PROGRAM = """
import json, os, sys, time
bell, megabytes, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
line = b"[12:34:56] tile %07d of 9999999, 64 samples, 1.23 s so far, memory 1,234 MiB\\n"
block = b"".join(line % number for number in range(13107))
block = block[: 1 << 20]
begin = time.perf_counter()
for number in range(megabytes):
    if rate:
        time.sleep(max(begin + number / rate - time.perf_counter(), 0))
    os.write(1, block)
    if number == megabytes // 2:
        os.write(1, b"\\nError: in the middle\\n")
os.write(1, b"\\nError: at the end\\n")
took = time.perf_counter() - begin
with open(bell, "w") as ring:
    ring.write(json.dumps([took, time.process_time()]))
sys.exit(1)
"""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows: seconds to write a log as fast as that goes, percent of a core for the Agent, what it found."""
    megabytes, rounds, paced_s = (16, 1, 1) if small else (512, 9, 10)
    taken: dict[str, list[float]] = {"a plain file": [], "kq": []}
    spent: dict[str, list[float]] = {"a plain file": [], "kq": []}
    with connected_session(agents=1) as (session, folder):
        bell = Doorbell(folder)
        try:
            for _ in range(rounds):
                for who, (took_s, cpu_s) in (
                    ("a plain file", _bare(folder, bell, megabytes)),
                    ("kq", _kq(session, bell, megabytes, 0)[0]),
                ):
                    taken[who].append(took_s)
                    spent[who].append(cpu_s)
            [paced_bare_s, _] = _bare(folder, bell, 100 * paced_s, 100)
            agent = psutil.Process(session.client.agents()[0].pid)
            before_s = sum(agent.cpu_times()[:2])
            (paced_took_s, _cpu), reason = _kq(session, bell, 100 * paced_s, 100)
            agent_percent = (sum(agent.cpu_times()[:2]) - before_s) / paced_took_s * 100
        finally:
            bell.close()
    what = f"{megabytes} MB of log"
    return [
        *(figures(f"{what}: seconds", who, taken[who], taken["a plain file"]) for who in taken),
        *(figures(f"{what}: CPU seconds", who, spent[who], spent["a plain file"]) for who in spent),
        figures(f"100 MB/s for {paced_s} s: seconds", "a plain file", [paced_bare_s], [paced_bare_s]),
        figures(f"100 MB/s for {paced_s} s: seconds", "kq", [paced_took_s], [paced_bare_s]),
        {"what": "100 MB/s: the Agent, % of a core", "who": "kq", "median": round(agent_percent, 1)},
        {"what": "100 MB/s: the reason that it found", "who": "kq", "median": reason},
    ]


def _bare(folder: Path, bell: Doorbell, megabytes: int, rate: int = 0) -> tuple[float, float]:
    log = folder / "plain.log"
    with log.open("wb") as out:
        niceness = str(Settings.from_environment({}).nice)
        command = ["nice", "-n", niceness, *_command(bell, megabytes, rate)]
        child = subprocess.Popen(command, stdout=out, stderr=out)
        took_s, cpu_s = json.loads(bell.wait()[1])
        child.wait()
    log.unlink()
    return took_s, cpu_s


def _kq(session: Session, bell: Doorbell, megabytes: int, rate: int) -> tuple[tuple[float, float], str]:
    """Return the program's own figures, and the queue's reason for its failure."""
    client = session.client
    job_id, _taken = client.submit(JobSpec(name="log", commands=(_command(bell, megabytes, rate),), cwd="/"))
    took_s, cpu_s = json.loads(bell.wait()[1])

    def is_over() -> bool:
        job = client.job(job_id)
        return job is not None and job.state.is_terminal

    until(is_over)
    job = client.job(job_id)
    reason = job.reason if job is not None else ""
    client.remove_jobs([job_id]).result(60)  # also deletes its large log
    return (took_s, cpu_s), reason


def _command(bell: Doorbell, megabytes: int, rate: int) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", _PROGRAM, str(bell.path), str(megabytes), str(rate))
