"""A plug-in that tries to end the program."""

from __future__ import annotations

import sys

sys.exit(3)
