"""``surgitwin sample``: write what a sample case starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

PHANTOM = "liver-phantom"


def sample_named(name: str) -> Any:
    """The sample case behind a name.

    Raises
    ------
    BadInput
        If there is none.
    """
    from surgitwin.samples import SAMPLES

    if name not in SAMPLES:
        message = tr("There is no sample “{name}”. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(SAMPLES)))
    return SAMPLES[name]


def write_sample(
    name: str, out: Path, ctx: Context, *, size: str | None, spacing: str | None, seed: int | None
) -> dict[str, Any]:
    """Write the sample into a folder that does not exist or is empty, and return what was written."""
    sample = sample_named(name)
    given = {"size": size, "spacing": spacing, "seed": seed}
    if name != PHANTOM and any(value is not None for value in given.values()):
        raise BadInput(tr("size, spacing and seed can be chosen for {name} only.").format(name=PHANTOM))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(
            tr("{path} exists and is not an empty folder. Choose another; nothing was written.").format(path=out)
        )
    if name == PHANTOM:
        from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom

        settings = PhantomSettings()
        if size is not None:
            settings = replace(settings, size_ijk=_three(size, int, "size"))
        if spacing is not None:
            settings = replace(settings, spacing_mm=_three(spacing, float, "spacing"))
        if seed is not None:
            settings = replace(settings, seed=seed)
        write_liver_phantom(out, settings, ctx)
    else:
        sample.write(out, ctx)
    maps = [{"path": str(out / m.path), "labels": str(out / m.table)} for m in sample.label_maps]
    return {"sample": name, "out": str(out), "images": str(out / sample.dicom_folder), "label_maps": maps}


def _three(text: str, kind: type, what: str) -> Any:
    try:
        numbers = tuple(kind(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise BadInput(tr("{what} is three numbers i,j,k, not “{text}”.").format(what=what, text=text))
    return numbers
