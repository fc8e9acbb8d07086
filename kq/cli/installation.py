"""`kq doctor` and `kq katana-folder`: commands about the installation, not about a queue."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..katana_folder import Platform, build_folder, make_archive

__all__ = ["examine", "write_katana_folder"]


def examine(options: argparse.Namespace) -> int:
    """Print what `kq doctor` finds. Returns 1 when there is a problem."""
    from .. import doctor  # other commands do without, and start sooner

    report = doctor.examine(os.environ, options.data_root)
    print(doctor.as_json(report) if options.json else doctor.as_text(report))
    return 1 if report.wrong else 0


def write_katana_folder(options: argparse.Namespace) -> int:
    """Write the folder for Katana, and with `--archive` an archive of it; print their paths."""
    folder = Path(options.folder)
    platform = Platform(options.platform)
    build_folder(folder, platform, lambda line: print(f"kq: {line}", file=sys.stderr))
    print(folder.absolute())
    if options.archive:
        print(make_archive(folder, platform))
    return 0
