"""Starts the process that decodes pictures, by this file's path."""

import sys
from pathlib import Path

if not __package__:
    root = Path(__file__).resolve().parents[2]
    # `packages` is there in a folder that `kq katana-folder` wrote.
    sys.path[:0] = [str(root), str(root / "packages")]
    __package__ = "kq.pictures"

from .program import main

main()
