"""``surgitwin demo``: the main job on a sample case, step by step, as a user would do it on the command line."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surgitwin.cli.progress import terminal_progress
from surgitwin.cli.samples import sample_named
from surgitwin.cli.streams import output_kept_clean, print_json
from surgitwin.commands import command_named
from surgitwin.commands.base import build
from surgitwin.core.errors import BadInput, StorageFailed
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.session import Session

MARK = ".surgitwin-demo"
VIEWS = ("3d", "axial", "coronal", "sagittal")


def run_demo(name: str, out: Path, *, as_json: bool) -> Path:
    """Make case, surfaces, two plans, report, meshes and pictures in ``out``, and return the case's path.

    Raises
    ------
    BadInput
        If there is no such sample, or the folder holds something else.
    """
    sample = sample_named(name)
    folder = out / name
    _refuse_other_files(folder)
    with (
        output_kept_clean(),
        terminal_progress(tr("Demo: {title}").format(title=sample.title), quiet=as_json) as ctx,
        _appearing(folder) as work,
    ):
        document = _moved(do_main_job(sample, work, ctx), str(work), str(folder))
    if as_json:
        print_json(document)
    else:
        _tell(document)
    return Path(document["case"])


def do_main_job(sample: Any, folder: Path, ctx: Context) -> dict[str, Any]:
    """Everything from the images to the report; returns the documents of each step."""
    case = folder / f"{sample.name}.twin"
    steps: dict[str, Any] = {"case": str(case)}
    with tempfile.TemporaryDirectory(prefix="surgitwin-demo-") as scratch, Session() as session:
        source = Path(scratch) / "input"
        sample.write(source, ctx.part(0.0, 0.25))

        def do(name: str, start: float, end: float, **values: Any) -> dict[str, Any]:
            command = build(command_named(name), values)
            part = ctx.part(start, end)
            part.progress(0.0, command.title)
            return session.perform(command, part)

        steps["new"] = do("new", 0.25, 0.3, path=source / sample.dicom_folder)
        session.save_as(case)
        for label_map in sample.label_maps:
            table = source / label_map.table
            do("add", 0.3, 0.4, path=source / label_map.path, as_="labelmap", labels=table)
        steps["mesh"] = do("mesh", 0.4, 0.6)
        steps["plans"] = [
            do("plan", 0.6, 0.65, plan=plan.name, organ=plan.organ, plane=plan.planes) for plan in sample.plans
        ]
        steps["compare"] = do("compare", 0.65, 0.65)
        pictures = [folder / f"{view}.png" for view in VIEWS]
        for picture in pictures:
            do("snapshot", 0.65, 0.8, out=picture, view=picture.stem, plan=sample.plans[-1].name)
        organ = sample.plans[0].organ
        exported = [
            do("export", 0.8, 0.9, out=folder / f"{sample.name}.glb"),
            do("export", 0.9, 0.92, out=folder / f"{organ}.stl", segment=(organ,)),
        ]
        report = do("report", 0.92, 1.0, out=folder / "report.pdf")
    files = [*map(str, pictures), *(file for step in (*exported, report) for file in step["files"])]
    return steps | {"files": files, "checks": [step["check"] for step in exported]}


def _refuse_other_files(folder: Path) -> None:
    """Refuse a folder that an earlier demo did not make.

    Raises
    ------
    BadInput
        If it holds anything else, or cannot be a folder.
    """
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise BadInput(tr("{path} is a file. Choose a folder with --out.").format(path=above))
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise BadInput(tr("{path} holds other files. Choose another folder with --out.").format(path=folder))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to work in that takes the place of ``folder`` when the block ends well; else nothing is left of it."""
    new = next((path for path in reversed((folder, *folder.parents)) if not path.exists()), None)
    work = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}.part")
    try:
        work.mkdir(parents=True)
        (work / MARK).touch()
        yield work
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    except OSError as error:
        message = tr("The demo could not be written to {path}: {cause}.")
        raise StorageFailed(message.format(path=folder, cause=error.strerror or error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if new is not None and not folder.exists():
            shutil.rmtree(new, ignore_errors=True)


def _moved(value: Any, old: str, new: str) -> Any:
    """The document with every path in ``old`` as it is after the move to ``new``."""
    if isinstance(value, dict):
        return {key: _moved(entry, old, new) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(entry, old, new) for entry in value]
    return new + value.removeprefix(old) if isinstance(value, str) and value.startswith(old) else value


def _tell(document: dict[str, Any]) -> None:
    from rich.console import Console

    from surgitwin.cli.show import show

    show("compare", document["compare"])
    out = Console(highlight=False)
    out.print(tr("Case: {path}").format(path=document["case"]), markup=False)
    for file in document["files"]:
        out.print(f"  {file}", markup=False)
    out.print(tr("Research and planning aid, not a medical device."))


def has_display() -> bool:
    """True if a window could be shown."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True
