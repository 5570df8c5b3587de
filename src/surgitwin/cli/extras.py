"""What only the terminal has: opening the window, the demo, the sample cases, and scripts."""

from __future__ import annotations

import contextlib
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from surgitwin.cli.progress import terminal_progress
from surgitwin.cli.streams import output_kept_clean, print_json
from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.text import tr

OpenWindow = Callable[[Path | None], int]
_Json = Annotated[bool, Parameter(name="--json", help=tr("print one JSON document"), negative="")]


def window_command(open_window: OpenWindow) -> Callable[..., int]:
    """The command that opens the window."""

    def gui(path: Path | None = None, *, json: _Json = False) -> int:
        """Open the window, on a case, a folder or a file if one is given.

        Parameters
        ----------
        path
            A .twin case, a folder of images, or an image file.
        """
        if path is not None and not path.exists():
            message = tr("There is no command, file or folder “{path}”. See “surgitwin --help”.")
            raise BadInput(message.format(path=path))
        with output_kept_clean():
            status = open_window(path)
        if json:
            print_json({"path": str(path) if path is not None else None})
        return status

    return gui


def sample(
    name: str,
    out: Path,
    /,
    *,
    size: str | None = None,
    spacing: str | None = None,
    seed: int | None = None,
    json: _Json = False,
) -> int:
    """Write a sample case's input: liver-phantom or abdomen-ct.

    Parameters
    ----------
    name
        Which sample.
    out
        A folder that does not exist yet, or is empty.
    size
        liver-phantom only: voxels along i,j,k, for example 512,512,200.
    spacing
        liver-phantom only: millimetres along i,j,k, for example 0.75,0.75,1.5.
    seed
        liver-phantom only: another number gives another liver.
    """
    from surgitwin.cli.samples import write_sample

    with output_kept_clean(), terminal_progress(tr("Writing the sample"), quiet=json) as ctx:
        document = write_sample(name, out, ctx, size=size, spacing=spacing, seed=seed)
    if json:
        print_json(document)
    else:
        sys.stdout.write(tr("Wrote {name} to {out}.").format(name=name, out=out) + "\n")
    return 0


def demo_command(open_window: OpenWindow) -> Callable[..., int]:
    """The command that does the main job on a sample."""

    def demo(
        *,
        case: str = "abdomen-ct",
        out: Path = Path("demo-out"),
        window: Annotated[bool, Parameter(negative="--no-window")] = True,
        json: _Json = False,
    ) -> int:
        """Do the main job on a sample case: import, surfaces, plans, report, meshes, pictures.

        Parameters
        ----------
        case
            abdomen-ct or liver-phantom.
        out
            Folder for everything that is made; files of an earlier demo in it are replaced.
        window
            Open the window on the case afterwards, if there is a display.
        """
        from surgitwin.cli.demo import has_display, run_demo

        made = run_demo(case, out, as_json=json)
        return open_window(made) if window and has_display() else 0

    return demo


def run_script(script: Path, case: Path | None = None, /, *, json: _Json = False) -> int:
    """Run a Python script with `session` open on the case.

    Parameters
    ----------
    script
        The script; it finds `session` and `case`, the path, defined.
    case
        The case file; without it the session is empty and lives in memory.
    json
        Print one JSON document: script, case, and what the script has called `result`; its own output goes to
        standard error.
    """
    from surgitwin.session import Session

    if not script.is_file():
        raise BadInput(tr("There is no script {path}.").format(path=script))
    with contextlib.ExitStack() as stack:
        if json:
            stack.enter_context(output_kept_clean())
        session = stack.enter_context(Session.open(case) if case is not None else Session())
        found = _run_file(script, {"session": session, "case": case})
    if json:
        print_json({"script": str(script), "case": str(case) if case is not None else None, "result": found})
    return 0


def _run_file(script: Path, names: dict[str, Any]) -> Any:
    """Run the script and return what it has called ``result``.

    Raises
    ------
    BadInput
        If the script fails for a reason of its own; the sentence names the line.
    """
    sys.path.insert(0, str(script.absolute().parent))
    try:
        return runpy.run_path(str(script), init_globals=names, run_name="__main__").get("result")
    except (SurgitwinError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except Exception as error:
        raise BadInput(_what_went_wrong(script, error)) from error
    finally:
        sys.path.remove(str(script.absolute().parent))


def _what_went_wrong(script: Path, error: Exception) -> str:
    lines = [row.lineno for row in traceback.extract_tb(error.__traceback__) if row.filename == str(script)]
    line = error.lineno if isinstance(error, SyntaxError) and not lines else (lines or [None])[-1]
    message = tr("{script}, line {line}: {kind}: {what}.")
    what = error.msg if isinstance(error, SyntaxError) else str(error).rstrip(".")
    return message.format(script=script, line=line, kind=type(error).__name__, what=what)
