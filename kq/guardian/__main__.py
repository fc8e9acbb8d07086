"""Starts the guardian: by `python -m kq.guardian`, or by this file's path where kq is not installed."""

import gc
import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

gc.disable()  # nothing of what is imported is garbage, and looking takes a twentieth of the time

from kq.guardian.starting import main

gc.enable()
sys.exit(main())
