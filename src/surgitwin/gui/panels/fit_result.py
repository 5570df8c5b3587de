"""What the fit command kept, and a table of sizes: rows of words, each number with its unit, definition and frame."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import note_label
from surgitwin.gui.theme import set_role

Document = dict[str, Any]
Rows = list[tuple[str, str]]
FRAMES = {"ct-table": tr("CT table"), "anterior-pelvic-plane": tr("anterior pelvic plane")}
DEFINITIONS = (
    ("radiographic", tr("radiographic")),
    ("operative", tr("operative")),
    ("anatomic", tr("anatomic")),
)


class FitResult(QWidget):
    """Rows of label and words, and the warnings below them; hidden while there is nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        column.addLayout(self._form)
        self._note = note_label()
        column.addWidget(self._note)
        self._shown: tuple[Rows, str] | None = None
        self.show_rows([], "")

    @property
    def rows(self) -> Rows:
        return self._shown[0] if self._shown is not None else []

    def show_document(self, document: Document | None) -> None:
        """Show a document of the fit command."""
        if document is None:
            self.show_rows([], "")
            return
        warnings = "\n".join(f"⚠ {one['message']}" for one in document["warnings"])
        self.show_rows(fit_rows(document), warnings)

    def show_rows(self, rows: Rows, note: str) -> None:
        if (rows, note) == self._shown:
            return
        self._shown = rows, note
        while self._form.rowCount():
            self._form.removeRow(0)
        for label, words in rows:
            left, right = QLabel(label), note_label(words, "")
            left.setWordWrap(True)
            set_role(left, "muted")
            self._form.addRow(left, right)
        self._note.setText(note)
        self._note.setVisible(bool(note))
        self.setVisible(bool(rows or note))


def fit_rows(document: Document) -> Rows:
    """A row for each number; what was not assessed says so."""
    # What decides about a screw comes first.
    rows = [(tr("Gertzbein-Robbins"), _screw(document["screw"]))] if document["screw"] is not None else []
    rows += [
        (
            tr("Contact"),
            _with(document["contact_percent"], "%", 0) + tr(" within {mm:.1f} mm").format(mm=document["tolerance_mm"]),
        ),
        (tr("Gap"), _spread(document["gap_mm"], document["gap_ml"])),
        (tr("Inside"), _spread(document["penetration_mm"], document["penetration_ml"])),
        (tr("Overhang"), _with(document["overhang_mm"], "mm", 1)),
    ]
    found = document["registration"]
    if found is not None:
        words = tr("RMS {rms:.2f} mm, p95 {p95:.2f} mm, at landmarks {tre}")
        tre = _with(found["tre_mm"], "mm", 1)
        rows.append((tr("Registration"), words.format(rms=found["rms_mm"], p95=found["p95_mm"], tre=tre)))
    rows += [(one["name"], _collision(one)) for one in document["collisions"]]
    rows += _beside(document)
    for frame in (document["cup"] or {}).get("frames", ()):
        rows += cup_rows(frame)
    if document["screw"] is not None:
        rows += hu_rows(document["screw"])
    return rows


def _beside(document: Document) -> Rows:
    """Canal and vessels: for a pedicle screw also that they were not given, as by a fit that was kept before."""
    canal, vessels, screw = document.get("canal"), document.get("vessels"), document["screw"] is not None
    rows = []
    if canal is not None or screw:
        told = tr("not assessed: not chosen") if canal is None else f"{canal['name']}: {_collision(canal)}"
        rows.append((tr("Spinal canal"), told))
    if vessels is not None:
        rows += [(tr("Vessel {name}").format(name=one["name"]), _collision(one)) for one in vessels]
    elif screw:
        rows.append((tr("Vessels"), tr("not assessed: none chosen")))
    return rows


def hu_rows(screw: Document) -> Rows:
    """The path's HU, how much of the screw they are of, and the published number that is of a path too."""
    hu, label = screw.get("hu"), tr("HU along the path (information only)")
    if hu is None:
        why = screw.get("hu_not_assessed")
        return [(label, tr("not assessed") + (f": {why}" if why else ""))]
    words = tr(
        "mean {mean:.0f} ± {sd:.0f} HU, {voxels} voxels of “{image}”, {in_bone_percent:.0f} % of the screw in the bone"
    )
    text = words.format(**hu)
    if hu["in_image_percent"] < 100.0:
        text += tr("; only {percent:.0f} % of that is in the image").format(percent=min(hu["in_image_percent"], 99.0))
    rows = [(label, text)]
    told = tr("{hu:.1f} HU for {outcome}: {population}; {limits}")
    rows += [
        (tr("Published threshold"), told.format(**one))
        for one in screw.get("hu_cutoffs", ())
        if one["of"] == "screw path"
    ]
    return [*rows, (tr("Mind"), hu["limits"])]


def cup_rows(frame: Document) -> Rows:
    """A cup's angles in the three definitions, with the frame that they are in."""
    name = FRAMES.get(frame["frame"], frame["frame"])
    side = tr(frame["side"])
    rows = []
    for key, title in DEFINITIONS:
        angles = frame[key]
        words = tr("inclination {a:.1f}°, anteversion {b:.1f}°")
        label = tr("{definition}, {frame}, {side}").format(definition=title, frame=name, side=side)
        rows.append((label, words.format(a=angles["inclination_deg"], b=angles["anteversion_deg"])))
    rows.append((tr("Pelvic tilt, {frame}").format(frame=name), _with(frame["pelvic_tilt_deg"], "°", 1)))
    return rows


def sweep_rows(document: Document) -> Rows:
    """The sizes of a family, best first."""
    rows = []
    for row in document["sizes"]:
        if row["refused"] is not None:
            rows.append((f"– {row['size']}", str(row["refused"])))
            continue
        gap = row["gap_mm"]["mean"] if row["gap_mm"] is not None else None
        words = tr("contact {contact}, gap {gap}, inside p95 {deep}").format(
            contact=_with(row["contact_percent"], "%", 0),
            gap=_with(gap, "mm", 1),
            deep=_with(row["penetration_mm"]["p95"], "mm", 1),
        )
        rows.append((f"{row['rank']}.  {row['size']}", words + (tr("; ✕ COLLIDES") if row["collides"] else "")))
    return rows


def _with(value: float | None, unit: str, digits: int) -> str:
    return tr("not assessed") if value is None else f"{value:.{digits}f} {unit}"


def _spread(spread: Document | None, volume_ml: float | None) -> str:
    if spread is None:
        return tr("not assessed")
    if spread["max"] == 0:
        return tr("none")
    words = tr("mean {mean:.1f}, p95 {p95:.1f}, max {max:.1f} mm").format(**spread)
    return f"{words}; {_with(volume_ml, 'ml', 2)}"


def _collision(one: Document) -> str:
    if one["collides"]:
        return tr("✕ COLLIDES, shared volume {volume}").format(volume=_with(one["overlap_ml"], "ml", 2))
    return tr("✓ clear by {mm:.1f} mm").format(mm=one["distance_mm"])


def _screw(screw: Document) -> str:
    if screw["grade"] is None:
        return tr("not assessed")
    wall = screw["wall_mm"]
    words = tr("grade {grade}, breach {mm:.1f} mm (± {error:.1f} by the voxels)")
    if wall is not None:
        words = tr("grade {grade}, no breach; thinnest wall {mm:.1f} mm (± {error:.1f} by the voxels)")
    mm = screw["breach_mm"] if wall is None else wall
    text = words.format(grade=screw["grade"], mm=mm, error=screw["error_mm"])
    text += f", {tr(screw['direction'])}" if screw["direction"] else ""
    others = [grade for grade in screw["grades_possible"] if grade != screw["grade"]]
    return text + (tr("; within the error also {others}").format(others=", ".join(others)) if others else "")
