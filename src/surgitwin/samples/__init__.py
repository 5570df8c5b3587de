"""Sample cases: a real abdominal CT, and a liver phantom whose truth is exact."""

from __future__ import annotations

from pathlib import Path

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.samples.case import LabelMap, SampleCase, SamplePlan

__all__ = ["SAMPLES", "LabelMap", "SampleCase", "SamplePlan"]


def _write_abdomen(out: Path, ctx: Context) -> None:
    from surgitwin.samples.abdomen_ct import write_abdomen_ct

    write_abdomen_ct(out, ctx)


def _write_phantom(out: Path, ctx: Context) -> None:
    from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom

    write_liver_phantom(out, PhantomSettings(), ctx)


# The right kidney's long axis runs through its centroid (-69.6, -132.1, 345.7); each plan takes one pole, 20 mm off.
_KIDNEY_PLANS = (
    SamplePlan("Lower pole", "Right kidney", ((-76.5, -139.8, 328.6, -0.347, -0.386, -0.854),)),
    SamplePlan("Upper pole", "Right kidney", ((-62.7, -124.4, 362.8, 0.347, 0.386, 0.854),)),
)

# Upright planes through the vena cava: to the gallbladder's fossa (Cantlie) and along the umbilical fissure.
_LIVER_PLANS = (
    SamplePlan("Right hepatectomy", "Liver", ((-29.0, 22.0, 0.0, -0.9532, 0.3022, 0.0),)),
    SamplePlan("Extended right hepatectomy", "Liver", ((-14.0, 12.0, 0.0, -0.9512, -0.3085, 0.0),)),
)

SAMPLES: dict[str, SampleCase] = {
    sample.name: sample
    for sample in (
        SampleCase(
            name="abdomen-ct",
            title=tr("Abdominal CT"),
            description=tr(
                "A real, unenhanced CT of the abdomen at 3 mm with 61 structures. Both kidneys lie in it whole."
            ),
            write=_write_abdomen,
            label_maps=(LabelMap("labels.nii.gz", "labels_plain.json"),),
            plans=_KIDNEY_PLANS,
        ),
        SampleCase(
            name="liver-phantom",
            title=tr("Liver phantom"),
            description=tr(
                "A made-up portal venous CT of a liver with its vessels, two tumors and the organs around it; "
                "volumes, vessel trees and territories are known exactly."
            ),
            write=_write_phantom,
            label_maps=(
                LabelMap("labels.nii.gz", "labels.json"),
                LabelMap("vessels_tumors.nii.gz", "vessels_tumors.json"),
                LabelMap("couinaud.nii.gz", "couinaud.json"),
            ),
            plans=_LIVER_PLANS,
        ),
    )
}
