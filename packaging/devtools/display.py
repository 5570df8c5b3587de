"""A display for window tests on a machine that has none: an Xvfb of our own, which ends with us."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .console import Stop

SCREEN = "1920x1200x24"
_START_LIMIT_S = 60.0


@contextmanager
def virtual_display() -> Iterator[dict[str, str]]:
    """Start Xvfb on a display that is free and yield the environment variables that lead Qt and VTK to it.

    The server picks the display itself, so any number of runs can go on side by side; it is ended when the block is
    left, and by the kernel should this process be killed.

    Raises
    ------
    Stop
        When Xvfb is missing or does not start; the sentence says what it printed.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise Stop(
            "The window tests need a display and there is no Xvfb: run `make setup`, which installs it or says how."
        )
    reader, writer = os.pipe()
    command = [program, "-displayfd", str(writer), "-screen", "0", SCREEN, "-dpi", "96", "-nolisten", "tcp", "-noreset"]
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        command = [setpriv, "--pdeathsig", "TERM", *command]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory(prefix="surgitwin-run-") as runtime:
        # A session of its own, so that Ctrl+C at the terminal does not take the display from tests still winding up.
        server = subprocess.Popen(
            command, pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        os.close(writer)
        try:
            number = _display_number(reader, server)
            if number is None:
                output.seek(0)
                said = output.read().decode("utf-8", "replace").strip()[-600:]
                raise Stop(f"Xvfb did not start: {said or 'it printed nothing'}")
            yield {
                "DISPLAY": f":{number}",
                "WAYLAND_DISPLAY": "",
                "XDG_SESSION_TYPE": "x11",
                "XDG_RUNTIME_DIR": runtime,
                "QT_QPA_PLATFORM": "xcb",
                # Xvfb has no graphics card behind it, whatever the machine has.
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "NO_AT_BRIDGE": "1",
            }
        finally:
            os.close(reader)
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _display_number(reader: int, server: subprocess.Popen[bytes]) -> str | None:
    """Return the number that the server reports once it accepts clients, or None when it ends or is too slow."""
    text = b""
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([reader], [], [], 0.2)
        if ready:
            chunk = os.read(reader, 64)
            text += chunk
            if text.endswith(b"\n"):
                return text.decode("ascii").strip()
            if not chunk:
                return None
        elif server.poll() is not None:
            return None
    return None
