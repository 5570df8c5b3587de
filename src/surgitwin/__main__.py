"""``python -m surgitwin`` does what ``surgitwin`` does."""

import sys

from surgitwin.launch import main

sys.exit(main())
