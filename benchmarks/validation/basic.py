"""Body, bone and lungs on the real CT."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from surgitwin.samples.abdomen_ct import AbdomenCT, load_abdomen_ct
from surgitwin.segmentation.ct_body import body
from surgitwin.segmentation.ct_bone import bone
from surgitwin.segmentation.ct_lungs import lungs

TITLE = "Body, bone and lungs"
BONES = ("sacrum", "vertebrae_", "femur_", "hip_", "rib_")
LUNGS = ("lung_",)
TEXT = """\
The sample `abdomen-ct` (unenhanced, 3 mm). The references are the published masks, a model's output: for bone the
vertebrae, sacrum, hips, femurs and ribs together, for the lungs the lobes, of which the image holds the bases only. At
3 mm a border that is off by half a voxel costs thin bones such as ribs much of their Dice. There is no published mask
of the body; what is counted is how much of all 61 published structures lies in it.
"""


def report() -> list[str]:
    """The section as Markdown lines."""
    real = load_abdomen_ct()
    rows = [_body(real)]
    for name, run, parts in (("bone", bone, BONES), ("lungs", lungs, LUNGS)):
        start = time.perf_counter()
        mask = run(real.ct, real.geometry)
        spent = time.perf_counter() - start
        rows.append(_row(real, name, mask, _published(real, parts), spent))
    head = "| method | Dice | volume | reference | false | missed | time |"
    return [*TEXT.splitlines(), "", head, "|" + "---|" * 7, *rows]


def _published(real: AbdomenCT, parts: tuple[str, ...]) -> Any:
    return np.isin(real.labels, [value for value, name in real.names.items() if name.startswith(parts)])


def _body(real: AbdomenCT) -> str:
    start = time.perf_counter()
    mask = body(real.ct, real.geometry)
    spent = time.perf_counter() - start
    labelled = real.labels > 0
    share = np.count_nonzero(mask & labelled) / np.count_nonzero(labelled)
    litres = np.count_nonzero(mask) * real.geometry.voxel_volume_mm3 / 1e6
    return f"| `body` | no mask; holds {share:.2%} of all structures | {litres:.1f} l | | | | {spent:.1f} s |"


def _row(real: AbdomenCT, name: str, mask: Any, truth: Any, seconds: float) -> str:
    ml = real.geometry.voxel_volume_mm3 / 1000
    dice = 2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth))
    counts = [np.count_nonzero(part) * ml for part in (mask, truth, mask & ~truth, truth & ~mask)]
    volumes = " | ".join(f"{count:.0f} ml" for count in counts)
    return f"| `{name}` | {dice:.3f} | {volumes} | {seconds:.1f} s |"
