"""A render that does not behave, once: `python render.py KIND FOLDER`.

Its first attempt becomes tests/support/misbehaving.py and notes its processes below FOLDER; any later one
ends well at once, so that what is counted came of the first.
"""

import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    if os.environ["KQ_ATTEMPT"] == "1":
        misbehaving = Path(__file__).resolve().parents[1] / "support" / "misbehaving.py"
        sys.argv = [str(misbehaving), kind, str(Path(folder, "pids"))]
        runpy.run_path(str(misbehaving), run_name="__main__")
