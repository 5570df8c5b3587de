"""``python -m surgitwin`` does what ``surgitwin`` does."""

import sys

from surgitwin.cli.main import main

sys.exit(main())
