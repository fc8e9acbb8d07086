"""A stand-in for OpenCue's server, Cuebot, which cannot run here: a program; arguments: RQD's port, its logs.

It keeps jobs in memory and has the real RQD run their frames. Refusals and names follow Cuebot's source; no
priorities, services, limits and booking rules. Ends with its standard input.
"""

from __future__ import annotations

import json
import queue
import re
import sys
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import grpc
import psutil
from opencue_proto import (
    cue_pb2,
    cue_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
    rqd_pb2,
    rqd_pb2_grpc,
    show_pb2,
    show_pb2_grpc,
)

from kq.frame_ranges import parse_frames

SHOW = "testshow"
_NAME = re.compile(r"[\w.]{3,}")
_LIVE = (job_pb2.WAITING, job_pb2.RUNNING)
_KILL_DELAY_S = 3.0
"""After a job was killed, Cuebot waits so long before it kills what runs of it."""


@dataclass
class Job:
    """A job and its frames, in the protocol's own messages."""

    data: Any
    frames: list[Any]
    command: str
    variables: dict[str, str]
    cores: int
    retries: int
    is_killed: bool = False

    def settle(self) -> None:
        """Finish the job when nothing of it waits, runs or is dead."""
        if all(frame.state not in (*_LIVE, job_pb2.DEAD) for frame in self.frames):
            self.data.state = job_pb2.FINISHED


@dataclass
class Farm:
    """All jobs, and one host. Guarded by `lock`; RQD is called on one thread of its own."""

    rqd: Any
    logs: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    idle_cores: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    calls: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)

    def dispatch(self) -> None:
        """Give waiting frames to the host while it has cores."""
        with self.lock:
            for job in self.jobs.values():
                for frame in job.frames if job.data.state == job_pb2.PENDING else ():
                    if frame.state == job_pb2.WAITING and job.cores <= self.idle_cores:
                        frame.state = job_pb2.RUNNING
                        frame.last_resource = "rqd-test/1"
                        self.idle_cores -= job.cores
                        self.calls.put(("launch", self._run_frame(job, frame)))

    def _run_frame(self, job: Job, frame: Any) -> Any:
        log_file = f"{job.data.name}.{frame.name}.rqlog"
        environment = {
            **job.variables,
            "CUE_THREADS": str(job.cores // 100),
            "CUE_FRAME": frame.name,
            "CUE_IFRAME": str(frame.number),
            "CUE_JOB": job.data.name,
            "CUE_LAYER": "render",
        }
        return rqd_pb2.RunFrame(
            resource_id="rqd-test",
            job_id=job.data.id,
            job_name=job.data.name,
            frame_id=frame.id,
            frame_name=frame.name,
            layer_id=f"{job.data.id}-render",
            command=job.command.replace("#IFRAME#", str(frame.number)),
            user_name=job.data.user,
            log_dir=str(self.logs),
            log_file=log_file,
            log_dir_file=str(self.logs / log_file),
            show=job.data.show,
            shot=job.data.shot,
            num_cores=job.cores,
            environment=environment,
        )

    def call_rqd(self) -> None:
        """The thread that calls RQD."""
        while (call := self.calls.get()) is not None:
            what, argument = call
            try:
                if what == "launch":
                    self.rqd.LaunchFrame(rqd_pb2.RqdStaticLaunchFrameRequest(run_frame=argument), timeout=60)
                    self.await_start(argument)
                else:
                    kill = rqd_pb2.RqdStaticKillRunningFrameRequest(frame_id=argument, message="killed")
                    self.rqd.KillRunningFrame(kill, timeout=60)
            except grpc.RpcError as error:
                print(f"RQD: {what}: {error}", file=sys.stderr, flush=True)
                if what == "launch":
                    time.sleep(0.5)
                    self.not_launched(argument)

    def await_start(self, run_frame: Any) -> None:
        """Wait until RQD runs the frame's script, or has reported its end.

        RQD starts each frame on a thread: where it forks for one while it writes another's script, the system
        refuses to run that as busy, and the frame fails with exit status 126.
        """
        while self._is_running(run_frame) and not any(
            any(f"rqd-cmd-{run_frame.frame_id}-" in word for word in process.info["cmdline"] or ())
            for process in psutil.process_iter(["cmdline", "name"])
            if process.info["name"] == "sh"
        ):
            time.sleep(0.02)

    def _is_running(self, run_frame: Any) -> bool:
        with self.lock:
            frames = self.jobs[run_frame.job_name].frames
            return any(each.id == run_frame.frame_id and each.state == job_pb2.RUNNING for each in frames)

    def not_launched(self, run_frame: Any) -> None:
        """RQD did not take a frame: it waits again, as in Cuebot."""
        with self.lock:
            job = self.jobs[run_frame.job_name]
            self.idle_cores += job.cores
            for frame in job.frames:
                if frame.id == run_frame.frame_id and frame.state == job_pb2.RUNNING:
                    frame.state = job_pb2.WAITING
        self.dispatch()

    def ended(self, job_id: str, frame_id: str, exit_status: int) -> None:
        """A frame is over: retry it, or leave it as it ended."""
        with self.lock:
            job = next(each for each in self.jobs.values() if each.data.id == job_id)
            frame = next(each for each in job.frames if each.id == frame_id)
            self.idle_cores += job.cores
            frame.exit_status = exit_status
            if frame.state == job_pb2.RUNNING:
                if exit_status == 0:
                    frame.state = job_pb2.SUCCEEDED
                elif frame.retry_count < job.retries and not job.is_killed:
                    frame.retry_count += 1
                    frame.state = job_pb2.WAITING
                else:
                    frame.state = job_pb2.DEAD
            job.settle()
        self.dispatch()

    def kill(self, job: Job) -> None:
        """Finish the job, whatever waits or runs of it; what runs is killed later, and waits then."""
        job.is_killed = True
        job.data.state = job_pb2.FINISHED
        later = threading.Timer(_KILL_DELAY_S, self._kill_running, [job])
        later.daemon = True
        later.start()

    def _kill_running(self, job: Job) -> None:
        with self.lock:
            for frame in job.frames:
                if frame.state == job_pb2.RUNNING:
                    frame.state = job_pb2.WAITING
                    self.calls.put(("kill", frame.id))

    def eat(self, job: Job, frames: list[Any]) -> None:
        """Nothing of these frames is to run."""
        for frame in frames:
            if frame.state == job_pb2.RUNNING:
                self.calls.put(("kill", frame.id))
            if frame.state in _LIVE:
                frame.state = job_pb2.EATEN
        job.settle()


class Cue(cue_pb2_grpc.CueInterfaceServicer):
    def GetSystemStats(self, request: Any, context: Any) -> Any:
        return cue_pb2.CueGetSystemStatsResponse(stats=cue_pb2.SystemStats())


class Shows(show_pb2_grpc.ShowInterfaceServicer):
    def FindShow(self, request: Any, context: Any) -> Any:
        if request.name != SHOW:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such show")
        return show_pb2.ShowFindShowResponse(show=show_pb2.Show(name=SHOW))


class Jobs(job_pb2_grpc.JobInterfaceServicer):
    def __init__(self, farm: Farm) -> None:
        self.farm = farm

    def LaunchSpecAndWait(self, request: Any, context: Any) -> Any:
        try:
            with self.farm.lock:
                job = _read_spec(request.spec, f"{len(self.farm.jobs) + 1:08d}")
                self.farm.jobs[job.data.name] = job
        except (ValueError, AttributeError, TypeError, ElementTree.ParseError) as error:
            context.abort(grpc.StatusCode.INTERNAL, f"Failed to launch and add job: {error}")
        self.farm.dispatch()
        return job_pb2.JobLaunchSpecAndWaitResponse(jobs=job_pb2.JobSeq(jobs=[job.data]))

    def GetJobs(self, request: Any, context: Any) -> Any:
        asked = request.r
        with self.farm.lock:
            found = [
                job.data
                for job in self.farm.jobs.values()
                if (asked.include_finished or job.data.state == job_pb2.PENDING)
                and (not asked.users or job.data.user in asked.users)
                and (not asked.regex or any(re.search(each, job.data.name) for each in asked.regex))
            ]
            return job_pb2.JobGetJobsResponse(jobs=job_pb2.JobSeq(jobs=found))

    def FindJob(self, request: Any, context: Any) -> Any:
        with self.farm.lock:
            job = self.farm.jobs.get(request.name)
            if job is None or job.data.state != job_pb2.PENDING:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such job")
            return job_pb2.JobFindJobResponse(job=job.data)

    def GetFrames(self, request: Any, context: Any) -> Any:
        first = (request.req.page - 1) * request.req.limit
        with self.farm.lock:
            frames = self.farm.jobs[request.job.name].frames[first : first + request.req.limit]
            return job_pb2.JobGetFramesResponse(frames=job_pb2.FrameSeq(frames=frames))

    def Kill(self, request: Any, context: Any) -> Any:
        with self.farm.lock:
            self.farm.kill(self.farm.jobs[request.job.name])
        return job_pb2.JobKillResponse()

    def EatFrames(self, request: Any, context: Any) -> Any:
        with self.farm.lock:
            job = self.farm.jobs[request.job.name]
            wanted = {number for each in parse_frames(request.req.frame_range) for number in each}
            self.farm.eat(job, [frame for frame in job.frames if frame.number in wanted])
        return job_pb2.JobEatFramesResponse()


class Reports(report_pb2_grpc.RqdReportInterfaceServicer):
    def __init__(self, farm: Farm) -> None:
        self.farm = farm

    def ReportRqdStartup(self, request: Any, context: Any) -> Any:
        with self.farm.lock:
            self.farm.idle_cores = request.boot_report.core_info.idle_cores
        print(json.dumps({"host": request.boot_report.host.name}), flush=True)
        self.farm.dispatch()
        return report_pb2.RqdReportRqdStartupResponse()

    def ReportStatus(self, request: Any, context: Any) -> Any:
        return report_pb2.RqdReportStatusResponse()

    def ReportRunningFrameCompletion(self, request: Any, context: Any) -> Any:
        report = request.frame_complete_report
        self.farm.ended(report.frame.job_id, report.frame.frame_id, report.exit_status or report.exit_signal)
        return report_pb2.RqdReportRunningFrameCompletionResponse()


def _read_spec(text: str, job_id: str) -> Job:
    """The job of a spec. Raises ValueError where Cuebot refuses one."""
    if "<!DOCTYPE spec" not in text:
        raise ValueError("the document has no grammar")
    root = ElementTree.fromstring(text)
    show, shot, user = (_conform(root.findtext(tag, "")) for tag in ("show", "shot", "user"))
    if user == "root" or root.findtext("uid") == "0":
        raise ValueError("Cannot launch jobs as root.")
    if show != SHOW:
        raise ValueError(f"no show {show}")
    element = root.find("job")
    assert element is not None
    layer = element.find("layers/layer")
    assert layer is not None
    suffix = re.sub("_{2,}", "_", element.get("name", "").lower()).replace("-", "_")
    name = f"{show}-{shot}-{user}_{_conform(suffix).lstrip('_')}"
    order = [child.tag for child in layer]
    known = [
        "cmd",
        "range",
        "chunk",
        "cores",
        "threadable",
        "memory",
        "timeout",
        "tags",
        "limits",
        "env",
        "services",
    ]
    if order != [tag for tag in known if tag in order]:
        raise ValueError(f"the elements of a layer are in a wrong order: {order}")
    frames = [
        job_pb2.Frame(
            id=f"{job_id}-{number}",
            name=f"{number:04d}-render",
            layer_name="render",
            number=number,
            state=job_pb2.WAITING,
        )
        for each in parse_frames(layer.findtext("range", ""))
        for number in each
    ]
    return Job(
        job_pb2.Job(
            id=job_id,
            state=job_pb2.PENDING,
            name=name,
            show=show,
            shot=shot,
            user=user,
            start_time=int(time.time()),
        ),
        frames,
        layer.findtext("cmd", "").strip(),
        {key.get("name", ""): (key.text or "").strip() for key in layer.findall("env/key")},
        int(float(layer.findtext("cores", "1.0")) * 100),
        min(int(element.findtext("maxretries", "1")), 1),
    )


def _conform(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} must be alpha numeric and at least 3 characters long")
    return name.lower()


def main(rqd_port: str, logs: str) -> None:
    """Serve until standard input ends."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    farm = Farm(rqd_pb2_grpc.RqdInterfaceStub(grpc.insecure_channel(f"127.0.0.1:{rqd_port}")), Path(logs))
    cue_pb2_grpc.add_CueInterfaceServicer_to_server(Cue(), server)
    show_pb2_grpc.add_ShowInterfaceServicer_to_server(Shows(), server)
    job_pb2_grpc.add_JobInterfaceServicer_to_server(Jobs(farm), server)
    report_pb2_grpc.add_RqdReportInterfaceServicer_to_server(Reports(farm), server)
    caller = threading.Thread(target=farm.call_rqd)
    caller.start()
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    farm.calls.put(None)
    server.stop(None).wait(60)
    caller.join(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
