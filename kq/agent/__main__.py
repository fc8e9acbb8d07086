"""Starts an Agent: by `python -m kq.agent`, or by this file's path."""

import gc
import sys
from pathlib import Path

if not __package__:
    root = Path(__file__).resolve().parents[2]
    # `packages` is there in a folder that `kq katana-folder` wrote.
    sys.path[:0] = [str(root), str(root / "packages")]
    __package__ = "kq.agent"

gc.disable()  # imports leave no garbage, and collections would take 5 ms
from .startup import main  # noqa: E402

gc.enable()
sys.exit(main(sys.argv[1:]))
