"""Chromium without a window, driven over a pipe in the DevTools protocol: one start for many checks, no network."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE_3D = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_3D = ("--disable-gpu", "--disable-3d-apis")
# Whatever it would ask for goes to a closed port, and no name leads anywhere.
OFFLINE = ("--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND")
PATIENCE_S = 60.0
Pixels = NDArray[np.int16]


class Chromium:
    """One browser with one page. Everything it asked the network for is in ``requests``."""

    def __init__(self, profile: Path, *words: str) -> None:
        if PROGRAM is None:
            pytest.skip("there is no Chromium to open the page with; install the package chromium")
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        command = [PROGRAM, "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
        command += [*OFFLINE, "--remote-debugging-pipe", *(words or SOFTWARE_3D), "about:blank"]

        # The protocol wants the pipe at 3 and 4; a shell puts it there, whatever this process has open.
        quoted = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", quoted, "chromium", *command],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number = 0
        self._received = b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = next(one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for end in (self._to, self._from):
            os.close(end)

    def ask(self, method: str, **values: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self._from, 1 << 20) if ready else b""
            assert piece, "Chromium does not answer"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(values["exceptionDetails"]["text"])
        elif event.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.complaints.append(values["entry"]["text"])

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(
        self, page: Path, *, width: int = 1200, height: int = 800, phone: bool = False, light: bool = False
    ) -> str:
        """Show a page and wait until it says that it is ready: ``drawn`` or ``numbers``."""
        density = 2 if phone else 1
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=density, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "light" if light else "dark"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=page.as_uri())
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            ready = self.run("location.protocol === 'file:' && document.documentElement?.dataset.ready")
            if ready:
                self.settle()
                return str(ready)
            time.sleep(0.02)
        raise AssertionError(f"the page did not get ready: {self.complaints}")

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def picture(self, keep: Path | None = None) -> Pixels:
        """[row, column, RGB] of the page as it is seen."""
        self.settle()
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        if keep is not None:
            keep.write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16)

    def key(self, name: str, **more: Any) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, **more)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
