"""Write the liver phantom: a DICOM series as a scanner would send it, and the truth beside it."""

from __future__ import annotations

from pathlib import Path

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.dicom_writer import SeriesHeader, write_ct_series
from surgitwin.samples.files import sample_folder, write_json, write_nifti
from surgitwin.samples.phantom import table
from surgitwin.samples.phantom.make import LiverPhantom, make_liver_phantom
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import DRAINAGE_NAMES, SEGMENT_NAMES
from surgitwin.samples.phantom.truth import truth_of

README = """Sample case "liver-phantom" of Surgitwin
========================================

A made-up abdomen; no patient. Everything in it is known exactly.

dicom/                 the CT as a DICOM series (portal venous phase)
labels.nii.gz          organs and bones; the liver is the whole organ
vessels_tumors.nii.gz  portal vein, hepatic veins and tumors; overlaps the liver
couinaud.nii.gz        the liver divided among the portal vein's eight segments
drainage.nii.gz        the liver divided among the hepatic veins
body.nii.gz            everything inside the skin
*.json of these names  value to name
portal_vein.json       centreline graph with radii; hepatic_veins.json likewise
truth.json             volumes, tumors, territories, settings, and how each is defined

Coordinates are LPS millimetres (x to the left, y to the back, z to the head).
"""


def header_for(settings: PhantomSettings) -> SeriesHeader:
    return SeriesHeader(
        name=settings.name,
        patient_id=f"PHANTOM-{settings.seed}",
        patient_name="Phantom^Liver",
        study_description="Sample case: liver phantom",
        series_description="ABDOMEN PORTAL VENOUS",
        study_date="20240115",
        study_time="101500",
        patient_sex="O",
        contrast_agent="Simulated iodinated contrast",
        injection_to_scan_s=70,
        kvp="120",
        comment="Simulated image of a phantom; no patient.",
    )


def write_liver_phantom(out: Path, settings: PhantomSettings, ctx: Context) -> LiverPhantom:
    """Make the phantom and write its series and its truth into ``out``; returns it.

    Raises
    ------
    BadInput
        If ``out`` is a file or already holds other files.
    StorageFailed
        If the disk refuses; ``out`` is then as it was.
    """
    with sample_folder(out, "liver-phantom") as folder:
        phantom = make_liver_phantom(settings, ctx.part(0.0, 0.75))
        header = header_for(settings)
        write_ct_series(folder / "dicom", phantom.ct, phantom.geometry, header, ctx.part(0.75, 0.85))
        ctx.progress(0.85, tr("Writing the truth"))
        maps = (
            ("labels", phantom.labels, table.ORGANS),
            ("vessels_tumors", phantom.inner, table.INNER),
            ("couinaud", phantom.couinaud, SEGMENT_NAMES),
            ("drainage", phantom.drainage, DRAINAGE_NAMES),
            ("body", phantom.body.view("uint8"), {1: "Body"}),
        )
        for number, (name, labels, names) in enumerate(maps):
            ctx.progress(0.85 + 0.02 * number, tr("Writing the truth"))
            write_nifti(folder / f"{name}.nii.gz", labels, phantom.geometry)
            write_json(folder / f"{name}.json", {str(value): text for value, text in names.items()})
        write_json(folder / "portal_vein.json", phantom.portal.as_json(), compact=True)
        write_json(folder / "hepatic_veins.json", phantom.hepatic.as_json(), compact=True)
        write_json(folder / "truth.json", truth_of(phantom))
        (folder / "README.txt").write_text(README, "utf-8")
    ctx.progress(1.0, tr("Sample written"))
    return phantom
