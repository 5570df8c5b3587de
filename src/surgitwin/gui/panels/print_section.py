"""Print, in the Deliver panel: choose, check, look at the outline over the slices, accept, save."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from surgitwin.commands.printing import PrintModel, PrintOutline
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.exchange.names import safe_file_name
from surgitwin.exchange.printers import PrintProcess, processes
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, NodePicks, WarningList, button, grouped, note_label
from surgitwin.gui.theme import Theme, set_role
from surgitwin.jobs import Job

Document = dict[str, Any]


class PrintSection(QWidget):
    """Prints what is ticked in ``parts``.

    Signals: the mesh to outline over the slices, or None; the document of a print that was written.
    """

    outline_changed = Signal(object)
    written = Signal(object)

    def __init__(self, desk: Desk, theme: Theme, parts: NodePicks) -> None:
        super().__init__()
        self._desk, self._theme = desk, theme
        self._processes: dict[str, PrintProcess] = processes()
        self._document: Document | None = None
        self._checked: tuple[Any, ...] | None = None
        self._job: Job | None = None
        self.mesh: Mesh | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.parts = parts
        column.addLayout(self._form())
        self.process_note = note_label()
        column.addWidget(self.process_note)
        self.check_button = button(
            tr("Check and outline"),
            self.check,
            "primary",
            tr("Repairs and checks the parts, reads the file back and outlines it over the slices; writes nothing"),
        )
        column.addLayout(_row(self.check_button))
        self.result = self._result()
        column.addWidget(self.result)
        desk.session_changed.connect(lambda _: self._forget())
        desk.scene_changed.connect(lambda _: self.refresh())
        self.refresh()

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.process = Choice()
        self.process.addItem(tr("Choose a process"), "")
        for name, entry in self._processes.items():
            self.process.addItem(entry.title or name, name)
        self.process.activated.connect(lambda _: self._process_chosen())
        form.addRow(tr("Process"), self.process)
        self.material = Choice()
        self.material.setEditable(True)
        self.material.setAccessibleName(tr("Material"))
        typed = self.material.lineEdit()
        if typed is not None:
            typed.setAccessibleName(tr("Material"))
        form.addRow(tr("Material"), self.material)
        self.format = Choice()
        self.format.addItem(tr("STL (one body)"), ".stl")
        self.format.addItem(tr("3MF (names and colours)"), ".3mf")
        self.format.activated.connect(lambda _: self._settings_changed())
        form.addRow(tr("File"), self.format)
        self.parts.changed.connect(self._settings_changed)
        return form

    def _result(self) -> QWidget:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(6)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setFont(self._theme.font("font", "semibold"))
        self.lines = QLabel()
        self.lines.setWordWrap(True)
        self.problems = WarningList(self._theme)
        self.repairs = note_label()
        self.deviation = QLabel()
        self.deviation.setWordWrap(True)
        for widget in (self.verdict, self.problems, self.lines, self.repairs, self.deviation):
            column.addWidget(widget)
        self.thin_button = button(tr("Go to the thinnest wall"), lambda: self._go("min_wall_at_mm"), "boxed")
        self.far_button = button(tr("Go to the largest deviation"), lambda: self._go("max_at_mm"), "boxed")
        column.addLayout(_row(self.thin_button))
        column.addLayout(_row(self.far_button))
        self.look = note_label(tr("Scroll through the slices: the pink line is the file as it was read back."))
        column.addWidget(self.look)
        self.force = QCheckBox(tr("Write it all the same, marked FORCED"))
        self.force.clicked.connect(lambda _: self._enable())
        column.addWidget(self.force)
        self.acceptor = QLineEdit()
        self.acceptor.setPlaceholderText(tr("Who accepts the outlines"))
        self.acceptor.setAccessibleName(tr("Who accepts the outlines"))
        self.acceptor.setMaxLength(80)
        self.acceptor.textChanged.connect(lambda _: self._enable())
        column.addWidget(self.acceptor)
        self.accept_button = button(
            tr("Accept and save …"), lambda: self.save(accept=True), "primary", tr("Writes the file and its sheet")
        )
        self.save_button = button(
            tr("Save without accepting …"), lambda: self.save(accept=False), tip=tr("The sheet says NOT ACCEPTED")
        )
        column.addLayout(_row(self.accept_button))
        column.addLayout(_row(self.save_button))
        return holder

    # ---- what the user does ------------------------------------------------------------------------------------

    def check(self) -> None:
        """Repair, check and outline what is chosen; nothing is written."""
        out = Path(tempfile.gettempdir()) / self._file_name()
        command = self._command(out, check_only=True)
        if command is None:
            return
        self._forget()
        self._checked = self._settings()
        self._job = self._desk.do(command, self._show, self._outlined, self._failed)
        self._enable()

    def save(self, accept: bool, path: Path | None = None) -> None:
        """Write what was looked at, and its sheet."""
        if self._document is None:
            return
        if path is None:
            kinds = f"{self.format.currentText()} (*{self.format.currentData()})"
            chosen, _ = QFileDialog.getSaveFileName(self, tr("Print"), str(Path.home() / self._file_name()), kinds)
            path = Path(chosen) if chosen else None
        if path is None:
            return
        if path.suffix.lower() != self.format.currentData():
            path = path.with_name(path.name + str(self.format.currentData()))
        command = self._command(
            path,
            accept_by=self.acceptor.text().strip() if accept else None,
            seen=self._document["sha256"],
            force=self.force.isChecked(),
            # The dialog asked about the mesh; a sheet without its mesh may be another's file.
            overwrite=path.exists(),
        )
        if command is not None:
            self._desk.do(command, self.written.emit)

    def _command(self, out: Path, **values: Any) -> PrintModel | None:
        chosen = tuple(self.parts.node_ids())
        process = str(self.process.currentData())
        if not chosen:
            self._desk.say(tr("Tick what is to be printed first."), "caution")
            return None
        if not process:
            self._desk.say(tr("Choose the printing process first: the thinnest wall depends on it."), "caution")
            return None
        try:
            material = self.material.currentText().strip()[:80]
            return PrintModel(out=out, segment=chosen, process=process, material=material, **values)
        except (SurgitwinError, ValueError) as error:
            self._desk.say(str(error), "error")
            return None

    def _process_chosen(self) -> None:
        entry = self._processes.get(str(self.process.currentData()))
        self.material.clear()
        if entry is not None:
            self.material.addItems(list(entry.materials))
            plate = " × ".join(f"{value:g}" for value in entry.plate_mm)
            text = tr("Walls from {wall:g} mm ({source}). Plate {plate} mm ({machine}).")
            self.process_note.setText(
                text.format(wall=entry.wall_mm, source=entry.source, plate=plate, machine=entry.plate_of)
            )
        self._settings_changed()

    def _go(self, key: str) -> None:
        document = self._document or {}
        place = document.get("check", {}).get(key) or document.get("deviation", {}).get(key)
        if place is not None:
            x, y, z = place
            self._desk.move_crosshair((x, y, z))

    # ---- what it shows -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the scene as it is now."""
        self._settings_changed()

    def _settings(self) -> tuple[Any, ...]:
        """What a check was made of; a change of it makes the check void."""
        scene = self._desk.scene
        chosen = [(key, scene.node(key).revision) for key in self.parts.node_ids() if key in scene]
        return (tuple(chosen), self.process.currentData(), self.format.currentData())

    def _settings_changed(self) -> None:
        if self._checked is not None and self._checked != self._settings():
            self._forget()
        self._enable()

    def _forget(self) -> None:
        if self._job is not None:
            self._job.context.cancel()
        self._document, self._checked, self._job = None, None, None
        self.force.setChecked(False)
        self._set_mesh(None)
        self._enable()

    def _set_mesh(self, mesh: Mesh | None) -> None:
        if mesh is not self.mesh:
            self.mesh = mesh
            self.outline_changed.emit(mesh)

    def _outlined(self, found: Any) -> None:
        if isinstance(found, PrintOutline) and self._checked is not None:
            self._set_mesh(found.mesh)

    def _failed(self, error: BaseException) -> None:
        self._forget()
        self._desk.report(error)

    def _show(self, document: Document) -> None:
        self._job = None
        if self._checked != self._settings():
            self._forget()
            return
        self._document = document
        check, deviation = document["check"], document["deviation"]
        good = not document["problems"]
        self.verdict.setText(tr("✓ Can be printed") if good else tr("✕ Should not be printed"))
        set_role(self.verdict, "good" if good else "bad")
        self.problems.show_warnings([(text, None) for text in document["problems"]])
        self.problems.setVisible(not good)
        self.lines.setText("\n".join(check_lines(check, document["process"]["wall_mm"])))
        repairs = [step["message"] for step in document["repairs"]]
        self.repairs.setText("\n".join([tr("Repaired:"), *repairs]) if repairs else tr("Nothing had to be repaired."))
        against = tr("the voxels’ faces") if deviation["against"] == "voxels" else tr("the surface")
        text = tr("Deviation from {against}: 95 % within {p95:.2f} mm, largest {most:.2f} mm")
        self.deviation.setText(text.format(against=against, p95=deviation["p95_mm"], most=deviation["max_mm"]))
        self.force.setVisible(not good)
        self.thin_button.setVisible(check["min_wall_at_mm"] is not None)
        self._enable()
        self._go("max_at_mm")

    def _enable(self) -> None:
        document = self._document
        self.process_note.setVisible(bool(self.process.currentData()))
        self.check_button.setEnabled(self._job is None and self._desk.session is not None)
        self.result.setVisible(document is not None)
        allowed = document is not None and (not document["problems"] or self.force.isChecked())
        self.save_button.setEnabled(allowed)
        self.accept_button.setEnabled(allowed and bool(self.acceptor.text().strip()))

    def _file_name(self) -> str:
        chosen = self.parts.node_ids()
        name = self._desk.scene.node(chosen[0]).name if len(chosen) == 1 else tr("parts")
        return safe_file_name(name) + str(self.format.currentData())


def check_lines(check: Document, limit_mm: float) -> list[str]:
    """What was checked, each line with a sign that says how it stands without colour."""
    crossings, wall, error = check["self_intersections"], check["min_wall_mm"], check["volume_error_percent"]
    size = " × ".join(f"{value:.1f}" for value in check["size_mm"])
    lines = [
        _line(check["closed"], tr("closed"), tr("open")),
        _line(check["manifold"], tr("manifold"), tr("not manifold")),
        _line(check["outward"], tr("facing outwards"), tr("not facing outwards")),
    ]
    if crossings is None:
        lines.append("– " + tr("crossings not assessed"))
    else:
        lines.append(_line(crossings == 0, tr("crosses itself nowhere"), tr("{n} crossings").format(n=crossings)))
    lines.append(_line(check["fits_plate"], tr("fits on the plate"), tr("does not fit on the plate")) + f": {size} mm")
    if wall is None:
        lines.append("– " + tr("thinnest wall not assessed"))
    else:
        thinnest = tr("thinnest wall {wall:.2f} mm, limit {limit:g} mm").format(wall=wall, limit=limit_mm)
        lines.append(_line(wall >= limit_mm, thinnest, thinnest))
    volume = tr("volume {ml:.1f} ml").format(ml=check["volume_ml"])
    lines.append(f"· {volume}" + (f" ({error:+.2f} %)" if error is not None else ""))
    counts = tr("shells: {shells}, triangles: {count}, unit {unit}, axes {frame}")
    lines.append(
        "· "
        + counts.format(
            shells=check["shells"], count=grouped(check["triangles"]), unit=check["unit"], frame=check["frame"]
        )
    )
    return lines


def _line(good: bool, yes: str, no: str) -> str:
    return f"✓ {yes}" if good else f"✕ {no}"


def _row(widget: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(widget)
    row.addStretch(1)
    return row
