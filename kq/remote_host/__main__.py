"""Runs one command: by `python -m kq.remote_host`, or by this file's path where kq is not installed."""

import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "kq.remote_host"

from .commands import main

sys.exit(main(sys.argv[1:]))
