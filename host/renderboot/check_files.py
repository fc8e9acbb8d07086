"""`python -m host.renderboot.check_files stage|picture PATH [FRAMES]`: the commands around a Disk Render.

They log errors of a file in the job's log, on the rendering machine. Only the standard library.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .arguments import numbered, read_frames
from .errors import EXIT_BAD_ARGUMENTS, EXIT_FAILED, EXIT_OK
from .report import write_utf8

_STARTS = {
    "stage": (b"#usda", b"PXR-USDC", b"PK"),
    "picture": (b"\x89PNG\r\n\x1a\n", b"v/1\x01"),
}


def main(argv: list[str]) -> int:
    """Check a file, or that of each frame of `1-9x2`; returns the exit code."""
    if len(argv) not in (2, 3) or argv[0] not in _STARTS:
        sys.stderr.write("ERROR: usage: python -m host.renderboot.check_files stage|picture PATH [FRAMES]\n")
        return EXIT_BAD_ARGUMENTS
    kind, path, *frames = argv
    paths = [numbered(path, frame) for frame in read_frames(frames[0])] if frames else [path]
    return max(_check(kind, each) for each in paths) if paths else EXIT_BAD_ARGUMENTS


def _check(kind: str, path: str) -> int:
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(16)
    except OSError as error:
        sys.stderr.write(f"ERROR: The {kind} {path} cannot be read: {error.strerror}.\n")
        return EXIT_FAILED
    if not start.startswith(_STARTS[kind]):
        sys.stderr.write(f"ERROR: The {kind} {path} is damaged, or is no {kind}.\n")
        return EXIT_FAILED
    size = Path(path).stat().st_size
    sys.stderr.write(f"{kind} checked: {path}, {size} bytes\n")
    return EXIT_OK


if __name__ == "__main__":
    write_utf8()
    sys.exit(main(sys.argv[1:]))
