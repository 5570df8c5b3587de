"""Words to the person at the terminal, and the one exception that ends a command with a sentence."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Stop(Exception):
    """Ends the command: the message is the sentence that is printed, `code` the exit status."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def say(text: str = "") -> None:
    """Print a line at once, also when the output goes to a file."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def heading(text: str) -> None:
    """Print the line that starts a step."""
    say(f"\n== {text} " + "=" * max(3, 76 - len(text)))


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for child processes: the caller's, without what would lead Python or pip astray.

    An active virtual environment, a conda environment or a `PYTHONPATH` (ROS, IDEs) would let packages from elsewhere
    win over the locked ones. Proxy, certificate and package mirror settings stay: many hospitals need them.
    """
    drop = {
        "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONEXECUTABLE", "PYTHONSAFEPATH",
        "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_DEFAULT_ENV",
        "CONDA_PYTHON_EXE", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV",
        "PIP_NO_DEPS", "PIP_PYTHON", "PIP_NO_BINARY", "PIP_NO_BUILD_ISOLATION", "PIP_DRY_RUN",
        "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH", "QML2_IMPORT_PATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL",
    }  # fmt: skip
    env = {name: value for name, value in os.environ.items() if name not in drop}
    env["PYTHONNOUSERSITE"] = "1"
    env["PYTHONUTF8"] = "1"
    env.setdefault("LANG", "C.UTF-8")
    env.update(extra or {})
    return env


def call(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository root and return its status and its output, both streams together."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=dict(env) if env is not None else clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def quoted(command: Sequence[str]) -> str:
    """Return the command as a person would type it."""
    return shlex.join(command)
