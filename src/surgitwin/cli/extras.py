"""What only the terminal has: opening the window, the demo, the sample cases, and scripts."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from surgitwin.cli.progress import terminal_progress
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

OpenWindow = Callable[[Path | None], int]
_Json = Annotated[bool, Parameter(name="--json", help=tr("print one JSON document"), negative="")]


def refuse_existing(case: Path) -> None:
    """Refuse before any long work if the case cannot be written there.

    Raises
    ------
    BadInput
        If the file exists or its folder does not.
    """
    if case.exists():
        raise BadInput(tr("{path} exists already. Choose another name; nothing was overwritten.").format(path=case))
    folder = case.absolute().parent
    if not folder.is_dir():
        raise BadInput(tr("There is no folder {path} to put the case in. Make it first.").format(path=folder))


def window_command(open_window: OpenWindow) -> Callable[..., int]:
    """The command that opens the window."""

    def gui(path: Path | None = None) -> int:
        """Open the window, on a case, a folder or a file if one is given.

        Parameters
        ----------
        path
            A .twin case, a folder of images, or an image file.
        """
        if path is not None and not path.exists():
            message = tr("There is no command, file or folder “{path}”. See “surgitwin --help”.")
            raise BadInput(message.format(path=path))
        return open_window(path)

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
    from surgitwin.cli.main import print_json
    from surgitwin.cli.samples import write_sample

    with terminal_progress(tr("Writing the sample"), quiet=json) as ctx:
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


def run_script(script: Path, case: Path | None = None, /) -> int:
    """Run a Python script with ``session`` open on the case.

    Parameters
    ----------
    script
        The script; it finds ``session`` (and ``case``, the path) defined.
    case
        The case file; without it the session is empty and lives in memory.
    """
    from surgitwin.session import Session

    if not script.is_file():
        raise BadInput(tr("There is no script {path}.").format(path=script))
    session = Session.open(case) if case is not None else Session()
    with session:
        runpy.run_path(str(script), init_globals={"session": session, "case": case}, run_name="__main__")
    return 0
