"""`kq export`: a job of the queue as an Open Job Description bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import BadInput
from ..openjd.bundle import WrittenBundle, write_bundle
from ..plain_text import one_line, quoted
from .connecting import Connected, answer

__all__ = ["add_export_command", "export"]


def add_export_command(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `kq export` to its parser."""
    command.add_argument("id", metavar="ID")
    command.add_argument("-o", "--output", required=True, metavar="DIR", help="where nothing is yet")
    command.add_argument(
        "--variables", default="", metavar="NAMES", help="variables of the job that are needed, too: A,B"
    )


def export(options: argparse.Namespace) -> int:
    """Write the bundle, and print its folder."""
    with Connected(options) as client:
        record = client.job(options.id)
        if record is None:
            raise BadInput(f"there is no job {quoted(options.id)}: `kq jobs --all` lists them")
        spec = answer(client.spec(record.id))
    named = [name.strip() for name in options.variables.split(",") if name.strip()]
    written = write_bundle(record.id, spec, Path(options.output), named, [record.picture])
    _report(written)
    return 0


def _report(written: WrittenBundle) -> None:
    for path in written.referenced:
        print(f"kq: not copied, the machines that render must have it: {one_line(path)}", file=sys.stderr)
    if written.variables_left_out:
        names = ", ".join(map(one_line, written.variables_left_out))
        print(f"kq: variables left out; --variables names those that are needed: {names}", file=sys.stderr)
    print(f"kq: {written.files} files, {written.size / 2**20:.1f} MiB", file=sys.stderr)
    print(written.folder)
