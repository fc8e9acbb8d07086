"""`kq export`: a job of the queue as an Open Job Description bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from ..errors import BadInput
from ..farms.catalogue import FARM_NAMES
from ..farms.job_folder import JobFolder
from ..openjd.bundle import WrittenBundle, write_bundle
from ..own_folders import own_data_root
from ..plain_text import one_line, quoted
from ..records import JobSpec, check_job_id
from ..settings import Settings
from .connecting import Connected, answer

__all__ = ["add_export_command", "export"]


def add_export_command(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `kq export` to its parser."""
    command.add_argument("id", metavar="ID", help="id of the job, as `kq jobs` or `kq farm jobs` lists it")
    command.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="the folder to create; it must not exist"
    )
    command.add_argument("--farm", choices=FARM_NAMES, help="ID is a job of this farm; default: of the queue")
    command.add_argument(
        "--variables",
        default="",
        metavar="NAMES",
        help="environment variables of the job to include in the bundle, as A,B; default: none",
    )


def export(options: argparse.Namespace) -> int:
    """Write the bundle, and print its folder."""
    spec, pictures = _of_farm(options) if options.farm else _of_queue(options)
    named = [name.strip() for name in options.variables.split(",") if name.strip()]
    written = write_bundle(f"Job {options.id}", spec, Path(options.output), named, pictures)
    _report(written)
    return 0


def _of_queue(options: argparse.Namespace) -> tuple[JobSpec, list[str]]:
    """The job, and the picture that it has rendered last. Raises BadInput, ConnectionLost."""
    with Connected(options) as client:
        record = client.job(options.id)
        if record is None:
            raise BadInput(f"there is no job {quoted(options.id)}: `kq jobs --all` lists them")
        return answer(client.spec(record.id)), [record.picture]


def _of_farm(options: argparse.Namespace) -> tuple[JobSpec, list[str]]:
    """The same of a job on a farm, by its folder: the farm itself is not asked. Raises BadInput."""
    check_job_id(options.id)
    root = own_data_root(Settings.from_environment(data_root=options.data_root).data_root)
    try:
        return JobFolder(root / "farms" / options.farm / options.id).spec(), []
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(
            f"{options.farm} has no job {options.id} that can be read ({error}): `kq farm jobs` lists them"
        ) from error


def _report(written: WrittenBundle) -> None:
    for line in written.notes():
        print(f"kq: {one_line(line)}", file=sys.stderr)
    print(f"kq: {written.files} files, {written.size / 2**20:.1f} MiB", file=sys.stderr)
    print(written.folder)
