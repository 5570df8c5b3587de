"""``surgitwin demo``: the main job on a sample case, step by step, as a user would do it on the command line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from surgitwin.cli.progress import terminal_progress
from surgitwin.cli.samples import sample_named
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.session import Session

MARK = ".surgitwin-demo"


def run_demo(name: str, out: Path, *, as_json: bool) -> Path:
    """Make case, surfaces, two plans, report, meshes and pictures in ``out``, and return the case's path."""
    sample = sample_named(name)
    folder = out / name
    _make_room(folder)
    with terminal_progress(tr("Demo: {title}").format(title=sample.title), quiet=as_json) as ctx:
        document = do_main_job(sample, folder, ctx)
    if as_json:
        from surgitwin.cli.streams import print_json

        print_json(document)
    else:
        _tell(document)
    return Path(document["case"])


def do_main_job(sample: Any, folder: Path, ctx: Context) -> dict[str, Any]:
    """Everything from the images to the report; returns the documents of each step."""
    with tempfile.TemporaryDirectory(prefix="surgitwin-demo-") as scratch:
        source = Path(scratch) / "input"
        sample.write(source, ctx.part(0.0, 0.25))
        session = Session()
        case = folder / f"{sample.name}.twin"
        try:
            steps: dict[str, Any] = {}
            steps["new"] = session.run("new", path=source / sample.dicom_folder)
            session.save_as(case)
            for number, label_map in enumerate(sample.label_maps):
                ctx.progress(0.3 + 0.02 * number, tr("Adding segments"))
                session.run("add", path=source / label_map.path, as_="labelmap", labels=source / label_map.table)
            ctx.progress(0.4, tr("Making surfaces"))
            steps["mesh"] = session.run("mesh")
            plans = []
            for plan in sample.plans:
                ctx.progress(0.6, tr("Plan: {name}").format(name=plan.name))
                planes = tuple(",".join(str(v) for v in plane) for plane in plan.planes)
                plans.append(session.run("plan", plan=plan.name, organ=plan.organ, plane=planes))
            steps["plans"] = plans
            steps["compare"] = session.run("compare")
            ctx.progress(0.65, tr("Pictures"))
            pictures = [folder / f"{view}.png" for view in ("3d", "axial", "coronal", "sagittal")]
            for picture in pictures:
                session.run("snapshot", out=picture, view=picture.stem, plan=sample.plans[-1].name)
            ctx.progress(0.8, tr("Meshes"))
            exported = [session.run("export", out=folder / f"{sample.name}.glb")]
            organ = sample.plans[0].organ
            exported.append(session.run("export", out=folder / f"{organ}.stl", segment=(organ,)))
            ctx.progress(0.9, tr("Report"))
            report = session.run("report", out=folder / "report.pdf")
        finally:
            session.close()
    files = [str(picture) for picture in pictures]
    files += [file for step in (*exported, report) for file in step["files"]]
    return {"case": str(case), "files": files, "checks": [step["check"] for step in exported], **steps}


def _make_room(folder: Path) -> None:
    """Empty the demo's own folder; a folder that the demo did not make is left alone.

    Raises
    ------
    BadInput
        If the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise BadInput(tr("{path} holds other files. Choose another folder with --out.").format(path=folder))
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


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
