"""The `kq` command: by `python -m kq`, or by this file's path where kq is not installed."""

import sys
from pathlib import Path

if not __package__:
    root = Path(__file__).resolve().parents[1]
    # `packages` is there in a folder that `kq katana-folder` wrote.
    sys.path[:0] = [str(root), str(root / "packages")]
    __package__ = "kq"

from .cli import main

sys.exit(main())
