"""`python -m kq` is the `kq` command."""

import sys

from kq.cli import main

sys.exit(main())
