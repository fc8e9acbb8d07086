"""Starts an Agent, or what looks after Agents: by `python -m kq.agent`, or by this file's path."""

import gc
import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "kq.agent"

gc.disable()  # nothing of what is imported is garbage, and looking for some takes 5 ms
if sys.argv[1:] and sys.argv[1].startswith(("remote-", "supervise")):
    from .host_commands import main
else:
    from .startup import main

gc.enable()
sys.exit(main(sys.argv[1:]))
