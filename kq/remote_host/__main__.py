"""Runs one command: by `python -m kq.remote_host`, or by this file's path where kq is not installed."""

import sys
from pathlib import Path

if not __package__:
    root = Path(__file__).resolve().parents[2]
    # `packages` is there in a folder that `kq katana-folder` wrote.
    sys.path[:0] = [str(root), str(root / "packages")]
    __package__ = "kq.remote_host"

from .commands import main

sys.exit(main(sys.argv[1:]))
