"""Set up, try and test Surgitwin with nothing installed but Python: `python packaging/bootstrap.py --help`.

This file holds only what a Python too old for the rest can still read; the work is in `devtools/` beside it.
"""

import pathlib
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWER_NAMES = ("python3.11", "python3.12", "python3.13", "python3.14")

if __name__ == "__main__":
    if sys.version_info < OLDEST:
        for name in NEWER_NAMES:
            newer = shutil.which(name)
            if newer:
                sys.exit(subprocess.call([newer] + sys.argv))  # noqa: RUF005 - read by old interpreters too
        sys.exit(
            "Surgitwin needs Python 3.11 or newer, but this is Python "
            + ".".join(str(part) for part in sys.version_info[:3])
            + " ("
            + sys.executable
            + "). Install Python 3.11 and run this again with it, for example: python3.11 packaging/bootstrap.py setup"
        )

    sys.dont_write_bytecode = True
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

    from devtools.main import main

    sys.exit(main(sys.argv[1:]))
