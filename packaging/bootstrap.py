"""Set up, try and test Surgitwin with nothing installed but Python: `python packaging/bootstrap.py --help`.

This file holds only what a Python too old for the rest can still read; the work is in `devtools/` beside it.
"""

import pathlib
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)  # the packages beneath have no builds for anything newer yet
SUITABLE = ("python3.11", "python3.12", "python3.13")

if __name__ == "__main__":
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        for name in SUITABLE:
            other = shutil.which(name)
            if other:
                sys.exit(subprocess.call([other] + sys.argv))  # noqa: RUF005 - read by old interpreters too
        sys.exit(
            "Surgitwin runs on Python 3.11 to 3.13, but this is Python "
            + ".".join(str(part) for part in sys.version_info[:3])
            + " ("
            + sys.executable
            + "). Install Python 3.11 beside it and run this again with it: python3.11 packaging/bootstrap.py setup"
        )

    sys.dont_write_bytecode = True
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

    from devtools.main import main

    sys.exit(main(sys.argv[1:]))
