"""`kq katana-folder`: writes the folder that Katana gets, and an archive of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..katana_folder import Platform, build_folder, make_archive

__all__ = ["write_folder"]


def write_folder(options: argparse.Namespace) -> int:
    """Write the folder, and print what KATANA_RESOURCES gets."""
    folder = Path(options.folder)
    platform = Platform(options.platform)
    build_folder(folder, platform, lambda line: print(f"kq: {line}", file=sys.stderr))
    print(folder.absolute())
    if options.archive:
        print(make_archive(folder, platform))
    return 0
