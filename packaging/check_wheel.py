"""Build the wheel and see that what `pip install` gives a user is whole: every file, the command, the licence."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"

# Run away from the repository, so that only the unpacked wheel can answer.
_USE_IT = """
import importlib.metadata, pathlib, sys
import surgitwin
assert pathlib.Path(surgitwin.__file__).is_relative_to(sys.argv[1]), surgitwin.__file__
(entry,) = importlib.metadata.distribution("surgitwin").entry_points.select(name="surgitwin")
assert callable(entry.load())
"""


def source_files() -> set[str]:
    """Return the files of the package, as paths inside the wheel."""
    return {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "surgitwin").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def problems(wheel: Path) -> list[str]:
    """Return what is wrong with the wheel, a sentence each."""
    found: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        absent = sorted(source_files() - names)
        found += [f"{name} is in src/ but not in the wheel." for name in absent]
        strange = sorted(name for name in names if not name.startswith(("surgitwin/", "surgitwin-")))
        found += [f"{name} does not belong in the wheel." for name in strange]
        for needed in ("LICENSE", "NOTICE"):
            if not any(name.endswith(f".dist-info/licenses/{needed}") for name in names):
                found.append(f"{needed} is not in the wheel.")
        scripts = ConfigParser()
        for name in names:
            if name.endswith(".dist-info/entry_points.txt"):
                scripts.read_string(archive.read(name).decode("utf-8"))
        if not scripts.has_option("console_scripts", "surgitwin"):
            found.append("The wheel has no `surgitwin` command.")
    return found


def main() -> int:
    """Build, look, unpack and use; return 0 when all is well."""
    with tempfile.TemporaryDirectory(prefix="surgitwin-wheel-") as name:
        folder = Path(name).resolve()
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = folder.glob("*.whl")
        found = problems(wheel)
        unpacked = folder / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        env = {**os.environ, "PYTHONPATH": str(unpacked)}
        used = subprocess.run([sys.executable, "-P", "-c", _USE_IT, str(unpacked)], cwd=folder, env=env, check=False)
        if used.returncode != 0:
            found.append("The command in the wheel does not start.")
        print("\n".join(found) or f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, whole")
        return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
