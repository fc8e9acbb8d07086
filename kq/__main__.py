"""`python -m kq` is the `kq` command."""

import sys

from .cli import main

sys.exit(main())
