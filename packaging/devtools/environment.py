"""The virtual environment: `.venv` with exactly the packages of `requirements.lock`, and the project itself."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from . import native
from .console import ROOT, Stop, call, clean_env, say
from .native import Native

VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "setup-stamp.json"
LOG = VENV / "setup.log"
NEEDED_BYTES = 3_500_000_000

_NO_NETWORK = (
    "NewConnectionError", "Name or service not known", "Temporary failure in name resolution", "getaddrinfo failed",
    "Network is unreachable", "No route to host", "ConnectTimeout", "Connection refused", "Connection reset",
    "ReadTimeout", "Read timed out", "Tunnel connection failed", "ProxyError", "Cannot connect to proxy",
    "nodename nor servname",
)  # fmt: skip


def venv_program(name: str) -> Path:
    """Return the path of a program inside the environment."""
    return VENV / "Scripts" / f"{name}.exe" if sys.platform == "win32" else VENV / "bin" / name


def base_python() -> Path:
    """Return the interpreter that environments are made from, also when this one runs inside an environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable)


def fingerprint() -> str:
    """Return a digest of everything that decides what the environment holds."""
    digest = hashlib.sha256()
    for part in (LOCK, ROOT / "pyproject.toml"):
        digest.update(part.read_bytes().replace(b"\r\n", b"\n"))
    # The project is installed as a link to this folder, so a moved clone needs a new installation.
    digest.update(f"{venv_version()}|{ROOT}".encode())
    return digest.hexdigest()


def venv_version() -> str:
    """Return the version of the environment's Python, empty when there is none that works and is new enough.

    Asked of the interpreter itself: after an upgrade of the operating system the link may lead to another version, for
    which nothing is installed.
    """
    program = venv_program("python")
    if not program.exists():
        return ""
    result = call([program, "-c", "import pip, sys; print('%d.%d.%d' % sys.version_info[:3])"])
    version = result.stdout.strip()
    return version if result.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 11) else ""


def is_current() -> bool:
    """Return whether the environment is what the lock asks for."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp.get("fingerprint") == fingerprint())


def setup(natives: Sequence[Native] = (), must: bool = False) -> None:
    """Make or renew the environment and see to the system's libraries. Takes about a second when nothing changed.

    Parameters
    ----------
    natives
        The system's libraries and programs to look for.
    must
        Whether a missing one ends the command; otherwise the command that installs it is printed.

    Raises
    ------
    Stop
        With one sentence: no network, disk full, no build for this Python, a missing library.
    """
    started = time.monotonic()
    usable = bool(venv_version())
    support = () if usable else native.venv_support(base_python())
    native.require([*support, *natives], base_python(), must)
    if is_current():
        say(f"The environment in {VENV.name} is up to date.")
        return
    _check_disk(usable)
    STAMP.unlink(missing_ok=True)
    if not usable:
        _create()
    _install()
    STAMP.write_text(json.dumps({"fingerprint": fingerprint()}), encoding="utf-8")
    say(f"The environment in {VENV.name} is ready ({time.monotonic() - started:.0f} s).")


def _check_disk(usable: bool) -> None:
    # An environment that is only brought up to date needs little more than it has.
    needed = NEEDED_BYTES // 7 if usable else NEEDED_BYTES
    free = shutil.disk_usage(ROOT).free
    if free < needed:
        raise Stop(
            f"The disk is too full: Surgitwin's environment needs about {needed / 1e9:.1f} GB and {ROOT} has "
            f"{free / 1e9:.1f} GB free. Free some space and run this again."
        )


def _create() -> None:
    say(f"Making the environment in {VENV} with Python {'.'.join(map(str, sys.version_info[:3]))}")
    result = call([base_python(), "-m", "venv", "--clear", VENV])
    if result.returncode != 0:
        raise explained(result.stdout, "The virtual environment could not be made.")


def _install() -> None:
    """Install the locked packages and then the project, with the log kept beside them."""
    total = sum(1 for line in LOCK.read_text(encoding="utf-8").splitlines() if re.match(r"[a-zA-Z0-9]", line))
    say(f"Installing up to {total} locked packages (about 1 GB; a few minutes the first time)")
    pip: list[str | Path] = [
        venv_program("python"),
        "-m",
        "pip",
        "--no-input",
        "--disable-pip-version-check",
        "--no-color",
    ]
    flags = ["--require-hashes", "--only-binary", ":all:", "--retries", "3", "--progress-bar", "off"]
    with LOG.open("w", encoding="utf-8") as log:
        code, output = _follow([*pip, "install", *flags, "-r", LOCK], log, total)
        if code != 0:
            raise explained(output, f"The packages could not be installed (the whole log: {LOG}).")
        code, output = _follow([*pip, "install", "--no-deps", "--no-build-isolation", "--editable", ROOT], log, 0)
        if code != 0:
            raise explained(output, f"Surgitwin itself could not be installed (the whole log: {LOG}).")
        # Compiled now, nobody waits for it later; if it fails here, it is tried again where it is needed.
        _follow([venv_program("python"), "-m", "surgitwin.core.compiled"], log, 0)


def _follow(command: list[str | Path], log: TextIO, total: int) -> tuple[int, str]:
    """Run pip, show how far it is, and return its status and output."""
    lines: list[str] = []
    seen = 0
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            log.write(line)
            if line.startswith("Collecting") and total:
                seen += 1
                if seen % 20 == 0:
                    say(f"  {seen} of at most {total} packages looked up or downloaded")
            elif line.startswith("Installing collected packages") and total:
                say("  unpacking")
            elif "Retrying (" in line:
                say("  the package index does not answer, trying again")
    return process.returncode, "".join(lines)


def explained(output: str, what: str) -> Stop:
    """Return the sentence for a failed installation.

    Parameters
    ----------
    output
        What the program printed.
    what
        The sentence that says what did not work, used when the cause is not one of the known ones.
    """
    if "No space left on device" in output or "[Errno 28]" in output or "Disk quota exceeded" in output:
        return Stop(
            f"The disk is full: the environment in {VENV} needs about {NEEDED_BYTES / 1e9:.1f} GB, some of it for a "
            f"while in {tempfile.gettempdir()}. Free some space there and run this again."
        )
    if "Permission denied" in output or "Read-only file system" in output:
        return Stop(f"This user may not write to {ROOT}. Put the clone in a folder that you own and run this again.")
    if "CERTIFICATE_VERIFY_FAILED" in output or "SSLError" in output:
        return Stop(
            "The package index's certificate is not trusted by this machine. On a network that inspects traffic, point "
            "PIP_CERT at your organisation's certificate file and run this again."
        )
    if any(word in output for word in _NO_NETWORK):
        return Stop(
            "The package index cannot be reached: is there a network connection, or does this network need a proxy "
            "(set HTTPS_PROXY) or a package mirror of its own (set PIP_INDEX_URL)? Then run this again."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return Stop(
            "A downloaded package is not the one that requirements.lock names, so nothing was installed. "
            "Run `pip cache purge` and this again; if it stays, the package index you use changes files."
        )
    lacking = re.search(r"No matching distribution found for (\S+)", output)
    if lacking:
        version = ".".join(map(str, sys.version_info[:2]))
        return Stop(
            f"There is no build of {lacking[1]} for Python {version} on {sys.platform} here. Surgitwin is developed "
            "and tested with Python 3.11: install that and run this again with it."
        )
    tail = "\n".join(f"    {line}" for line in output.splitlines()[-12:])
    return Stop(f"{what} The last lines:\n{tail}")
