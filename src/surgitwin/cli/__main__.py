"""``python -m surgitwin.cli`` does what ``surgitwin`` does."""

import sys

from surgitwin.cli.main import main

sys.exit(main())
