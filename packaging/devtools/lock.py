"""`requirements.lock`: the exact packages, with their digests, for every system and Python that is supported."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

from .console import ROOT, Stop, clean_env, say
from .environment import LOCK

_HEADER = """\
# Exact versions and digests of everything the environment holds, for Linux, macOS and Windows.
# Made by `python packaging/bootstrap.py lock` from pyproject.toml; not to be edited by hand.
"""


def write_lock(upgrade: bool = False) -> None:
    """Resolve pyproject.toml (with its `dev` group and build backend) and write the lock.

    Versions that are in the lock already stay unless pyproject.toml forbids them or `upgrade` is set. Needs the `uv`
    program; the lock itself is read by pip and needs none.

    Raises
    ------
    Stop
        When uv is missing or finds no set of versions that fits.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = "\n".join(project["build-system"]["requires"]) + "\n"
    command = [
        "uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11", "--group", "dev",
        "--only-binary", ":all:", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
        "--quiet", "--output-file", str(LOCK), *(["--upgrade"] if upgrade else []), "pyproject.toml", "-",
    ]  # fmt: skip
    env = clean_env({"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"})
    try:
        result = subprocess.run(
            command, cwd=ROOT, env=env, input=build, capture_output=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise Stop("Making the lock needs uv: install it with `pip install uv` and run this again.") from error
    if result.returncode != 0:
        raise Stop(f"No set of versions fits pyproject.toml. uv said:\n{result.stderr}")
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    # Where the packages come from is each user's own setting, so no address may get into the file.
    kept = [line for line in lines if not line.startswith(("#", "-")) and "://" not in line]
    LOCK.write_text(_HEADER + "\n".join(kept) + "\n", encoding="utf-8")
    say(f"{LOCK.name}: {sum(1 for line in kept if re.match(r'[a-zA-Z0-9]', line))} packages")
