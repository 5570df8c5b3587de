"""How an implant fits, as people read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]


def show_fit(document: Document, out: Console) -> None:
    """A line for each number; what was not assessed says so."""
    title = tr("{implant} on {bone} (automatic)")
    out.print(
        title.format(implant=document["implant"]["name"], bone=document["onto"]["name"]), style="bold", markup=False
    )
    if document["generic"]:
        out.print("  " + tr("generic, not a product"), style="dim")
    tolerance = tr("contact within {mm} mm").format(mm=number(document["tolerance_mm"], 1))
    rows = [
        (tolerance, _with(document["contact_percent"], "%", 0)),
        (tr("gap"), _spread(document["gap_mm"], document["gap_ml"])),
        (tr("penetration"), _spread(document["penetration_mm"], document["penetration_ml"])),
        (tr("overhang"), _with(document["overhang_mm"], "mm", 1)),
    ]
    found = document["registration"]
    if found is not None:
        target = tr("at landmarks {tre}").format(tre=_with(found["tre_mm"], "mm", 1))
        parts = [f"RMS {number(found['rms_mm'], 2)} mm", f"p95 {number(found['p95_mm'], 2)} mm", target]
        rows.append((tr("registration"), ", ".join(parts)))
    rows += [(one["name"], _collision(one)) for one in document["collisions"]]
    rows += _beside(document)
    for frame in (document["cup"] or {}).get("frames", ()):
        rows += _cup(frame)
    if document["screw"] is not None:
        rows.append((tr("Gertzbein-Robbins grade"), _screw(document["screw"])))
        rows += _hu(document["screw"])
    for label, words in rows:
        out.print(f"  {label}: {words}", markup=False, soft_wrap=True)


def show_mark(document: Document, out: Console) -> None:
    """Where the landmark is now."""
    words = tr("Moved {name} to {at} (LPS mm).") if document["moved"] else tr("Marked {name} at {at} (LPS mm).")
    at = ", ".join(number(value, 1) for value in document["position_mm"])
    out.print(words.format(name=document["node"]["name"], at=at), markup=False)


def show_sweep(document: Document, out: Console) -> None:
    """The sizes, best first, and by which rule."""
    title = tr("{family} on {bone}, contact within {mm} mm (automatic)")
    mm = number(document["tolerance_mm"], 1)
    out.print(title.format(family=document["family"], bone=document["onto"], mm=mm), style="bold", markup=False)
    for row in document["sizes"]:
        if row["refused"] is not None:
            out.print(f"  -  {row['size']}: {row['refused']}", markup=False, soft_wrap=True)
            continue
        gap = _with(row["gap_mm"]["mean"] if row["gap_mm"] is not None else None, "mm", 1)
        words = tr("contact {contact}, mean gap {gap}, penetration p95 {deep} mm").format(
            contact=_with(row["contact_percent"], "%", 0), gap=gap, deep=number(row["penetration_mm"]["p95"], 1)
        )
        clash = tr(", COLLIDES") if row["collides"] else ""
        out.print(f"  {row['rank']}  {row['size']}: {words}{clash}", markup=False, soft_wrap=True)
    out.print("  " + tr("ranked by: {rule}").format(rule=document["rule"]), style="dim", markup=False)
    tried = tr("from {n} starts each, at and around the one that was given").format(n=document["starts"])
    out.print("  " + tried, style="dim", markup=False)
    if document["kept"] is not None:
        out.print(tr("Kept {name}.").format(name=document["kept"]["name"]), markup=False)


def _with(value: float | None, unit: str, digits: int) -> str:
    return tr("not assessed") if value is None else f"{number(value, digits)} {unit}"


def _spread(spread: Document | None, volume_ml: float | None) -> str:
    if spread is None:
        return tr("not assessed")
    if spread["max"] == 0:
        return tr("none")
    words = tr("mean {mean}, p95 {p95}, max {max} mm").format(**{key: number(v, 1) for key, v in spread.items()})
    return f"{words}; {_with(volume_ml, 'ml', 2)}"


def _collision(one: Document) -> str:
    if one["collides"]:
        return tr("COLLIDES, shared volume {volume}").format(volume=_with(one["overlap_ml"], "ml", 2))
    return tr("clear by {mm} mm").format(mm=number(one["distance_mm"], 1))


def _beside(document: Document) -> list[tuple[str, str]]:
    """Canal and vessels: for a pedicle screw also that they were not given."""
    canal, vessels = document["canal"], document["vessels"]
    rows = []
    if canal is not None or document["screw"] is not None:
        label = tr("spinal canal") if canal is None else tr("spinal canal “{name}”").format(name=canal["name"])
        rows.append((label, tr("not assessed (--canal)") if canal is None else _collision(canal)))
    if vessels is not None:
        rows += [(tr("vessel “{name}”").format(name=one["name"]), _collision(one)) for one in vessels]
    elif document["screw"] is not None:
        rows.append((tr("vessels"), tr("not assessed (--vessel)")))
    return rows


def _hu(screw: Document) -> list[tuple[str, str]]:
    """The path's HU, and the published number that is of a path too; the others are in the JSON document."""
    label = tr("HU along the path (information only)")
    found = screw["hu"]
    if found is None:
        return [(label, tr("not assessed: {why}").format(why=screw["hu_not_assessed"]))]
    words = tr("mean {mean} ± {sd} HU, {voxels} voxels of “{image}”, {percent} % of the screw in the bone").format(
        mean=number(found["mean"], 0), sd=number(found["sd"], 0), voxels=found["voxels"], image=found["image"],
        percent=number(found["in_bone_percent"], 0),
    )  # fmt: skip
    if found["in_image_percent"] < 100.0:
        words += tr("; only {percent} % of that is in the image").format(
            percent=number(min(found["in_image_percent"], 99.0), 0)
        )
    rows = [(label, words)]
    for one in screw["hu_cutoffs"]:
        if one["of"] == "screw path":
            told = tr("{hu} HU for {outcome}: {population}; {limits}")
            rows.append((tr("published threshold"), told.format(hu=number(one["hu"], 1), **{
                key: one[key] for key in ("outcome", "population", "limits")})))  # fmt: skip
    return [*rows, (tr("mind"), found["limits"])]


def _cup(frame: Document) -> list[tuple[str, str]]:
    tilt = tr("pelvic tilt {tilt}").format(tilt=_with(frame["pelvic_tilt_deg"], "°", 0))
    where = {"ct-table": tr("CT table"), "anterior-pelvic-plane": tr("anterior pelvic plane")}[frame["frame"]]
    names = {"radiographic": tr("radiographic"), "operative": tr("operative"), "anatomic": tr("anatomic")}
    return [
        (
            tr("cup, {name}, {where}, {tilt}").format(name=name, where=where, tilt=tilt),
            tr("inclination {i}°, anteversion {a}°").format(
                i=number(frame[key]["inclination_deg"], 0), a=number(frame[key]["anteversion_deg"], 0)
            ),
        )
        for key, name in names.items()
    ]


def _screw(screw: Document) -> str:
    if screw["grade"] is None:
        return tr("not assessed")
    error, way = number(screw["error_mm"], 1), tr(screw["direction"])
    if screw["wall_mm"] is not None:
        words = tr("{grade}, no breach; thinnest wall {wall} mm ± {error} mm, {way}").format(
            grade=screw["grade"], wall=number(screw["wall_mm"], 1), error=error, way=way
        )
    else:
        words = tr("{grade}, breach {mm} mm ± {error} mm, {way}").format(
            grade=screw["grade"], mm=number(screw["breach_mm"], 1), error=error, way=way
        )
    others = [grade for grade in screw["grades_possible"] if grade != screw["grade"]]
    return words + (tr("; within the error also {others}").format(others=", ".join(others)) if others else "")
