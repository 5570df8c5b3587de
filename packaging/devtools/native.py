"""System libraries that no wheel brings: find what is missing, install it where that is allowed, else say how."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .console import Stop, call, clean_env, quoted, say


@dataclass(frozen=True)
class Native:
    """Something that the operating system must bring, and the Debian package that holds it."""

    name: str
    package: str
    kind: Literal["library", "program", "module"] = "library"


# Drawing, on screen or not (VTK), and reading fonts.
GRAPHICS = (
    Native("libGL.so.1", "libgl1"),
    Native("libGLX_mesa.so.0", "libglx-mesa0"),
    Native("libEGL.so.1", "libegl1"),
    Native("libEGL_mesa.so.0", "libegl-mesa0"),
    Native("libX11.so.6", "libx11-6"),
    Native("libXcursor.so.1", "libxcursor1"),
    Native("libfontconfig.so.1", "libfontconfig1"),
    Native("libfreetype.so.6", "libfreetype6"),
)

# Qt's core and its xcb platform plugin.
WINDOW = (
    Native("libglib-2.0.so.0", "libglib2.0-0"),
    Native("libdbus-1.so.3", "libdbus-1-3"),
    Native("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    Native("libxkbcommon.so.0", "libxkbcommon0"),
    Native("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    Native("libX11-xcb.so.1", "libx11-xcb1"),
    Native("libxcb.so.1", "libxcb1"),
    Native("libxcb-cursor.so.0", "libxcb-cursor0"),
    Native("libxcb-glx.so.0", "libxcb-glx0"),
    Native("libxcb-icccm.so.4", "libxcb-icccm4"),
    Native("libxcb-image.so.0", "libxcb-image0"),
    Native("libxcb-keysyms.so.1", "libxcb-keysyms1"),
    Native("libxcb-randr.so.0", "libxcb-randr0"),
    Native("libxcb-render.so.0", "libxcb-render0"),
    Native("libxcb-render-util.so.0", "libxcb-render-util0"),
    Native("libxcb-shape.so.0", "libxcb-shape0"),
    Native("libxcb-shm.so.0", "libxcb-shm0"),
    Native("libxcb-sync.so.1", "libxcb-sync1"),
    Native("libxcb-util.so.1", "libxcb-util1"),
    Native("libxcb-xfixes.so.0", "libxcb-xfixes0"),
    Native("libxcb-xkb.so.1", "libxcb-xkb1"),
)

# A display for the window tests on a machine that has none.
VIRTUAL_DISPLAY = (Native("Xvfb", "xvfb", "program"),)

# Opens what the HTML export wrote; without it these tests are skipped.
BROWSER = (Native("chromium", "chromium", "program"),)

_PROBE = """
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name) if ".so" in name else __import__(name)
    except (OSError, ImportError):
        print(name)
"""


def venv_support(python: Path) -> tuple[Native, ...]:
    """Return what the interpreter needs to make virtual environments (Debian packages `ensurepip` apart)."""
    version = call([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], timeout_s=60).stdout.strip()
    return (Native("ensurepip", f"python{version}-venv", "module"),)


def missing(wanted: Iterable[Native], python: Path) -> list[Native]:
    """Return those of `wanted` that cannot be loaded or found. Always empty outside Linux."""
    if not sys.platform.startswith("linux"):
        return []
    wanted = list(wanted)
    loadable = [native.name for native in wanted if native.kind != "program"]
    # Loaded in a process of its own: a broken driver library must not take the set-up down with it.
    absent = set(call([python, "-c", _PROBE, *loadable], timeout_s=120).stdout.split())
    absent |= {native.name for native in wanted if native.kind == "program" and shutil.which(native.name) is None}
    return [native for native in wanted if native.name in absent]


def distribution() -> str:
    """Return `debian`, `fedora` or an empty string, by what installs packages here."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    words = " ".join(line.split("=", 1)[1].strip('"') for line in lines if line.startswith(("ID=", "ID_LIKE="))).split()
    if shutil.which("apt-get") and {"debian", "ubuntu"} & set(words):
        return "debian"
    if shutil.which("dnf") and {"fedora", "rhel"} & set(words):
        return "fedora"
    return ""


def install_command(natives: Sequence[Native]) -> str:
    """Return the one command for a person to type, or the names when this system's packages are not known."""
    packages = sorted({native.package for native in natives})
    system = distribution()
    if system == "debian":
        return "sudo apt-get update && sudo apt-get install -y --no-install-recommends " + " ".join(packages)
    if system == "fedora":
        provides = ["xorg-x11-server-Xvfb" if n.name == "Xvfb" else f"{n.name}()(64bit)" for n in natives]
        return quoted(["sudo", "dnf", "install", "-y", *sorted(provides)])
    names = ", ".join(sorted(native.name for native in natives))
    return f"(your system's package manager, for the packages that hold {names})"


def can_install() -> bool:
    """Return whether this process may install Debian packages."""
    return distribution() == "debian" and hasattr(os, "geteuid") and os.geteuid() == 0


def apt_install(natives: Sequence[Native]) -> None:
    """Install the packages, waiting for another package manager that is at work.

    Raises
    ------
    Stop
        When the package lists or the packages cannot be had; the sentence says what apt said.
    """
    packages = sorted({native.package for native in natives})
    say(f"Installing {len(packages)} system packages: {' '.join(packages)}")
    env = clean_env({"DEBIAN_FRONTEND": "noninteractive"})
    wait = ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3"]
    updated = call(["apt-get", *wait, "-q", "update"], env)
    installed = call(["apt-get", *wait, "-q", "install", "-y", "--no-install-recommends", *packages], env)
    if installed.returncode == 0:
        return
    output = updated.stdout + installed.stdout
    if "No space left on device" in output or "enough free space" in output:
        raise Stop("The disk is full: the system packages could not be installed. Free about 1 GB and run this again.")
    if any(word in output for word in ("Temporary failure resolving", "Could not connect", "Failed to fetch")):
        raise Stop(
            "The system packages could not be downloaded: is there a network connection? Check it and run this again."
        )
    tail = "\n".join(f"    {line}" for line in installed.stdout.splitlines()[-8:])
    raise Stop(f"The system packages could not be installed. apt-get said:\n{tail}\nTry: {install_command(natives)}")


def require(natives: Sequence[Native], python: Path, must: bool) -> None:
    """Make sure that `natives` are there: install them, or print the command that does, or stop with it.

    Parameters
    ----------
    natives
        What to look for.
    python
        The interpreter that loads the libraries.
    must
        Whether to stop when something is missing. A missing Python module always stops: nothing works without it.
    """
    absent = missing(natives, python)
    if absent and can_install():
        apt_install(absent)
        absent = missing(natives, python)
    if not absent:
        return
    names = [native.name for native in absent]
    what = ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:4])} and {len(names) - 4} more"
    sentence = (
        f"This system lacks {what}. Install what is missing with this command and run this again:\n\n"
        f"    {install_command(absent)}\n"
    )
    if must or any(native.kind == "module" for native in absent):
        raise Stop(sentence)
    say(sentence + "\nGoing on without: the window and pictures may not work until then.")


def wish(natives: Sequence[Native]) -> None:
    """Install programs that tests can do without, where that is allowed; say so where it does not work."""
    absent = [native for native in natives if shutil.which(native.name) is None]
    if not absent or not can_install():
        return
    try:
        apt_install(absent)
    except Stop as stop:
        say(f"{stop}\nGoing on without: the tests that need it are skipped.")
