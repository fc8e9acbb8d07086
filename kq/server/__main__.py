"""Starts the server: by `python -m kq.server`, or by this file's path where kq is not installed."""

import sys
from pathlib import Path

if not __package__:
    root = Path(__file__).resolve().parents[2]
    # `packages` exists in a folder that `kq katana-folder` wrote.
    sys.path[:0] = [str(root), str(root / "packages")]
    __package__ = "kq.server"

from .startup import main

sys.exit(main())
