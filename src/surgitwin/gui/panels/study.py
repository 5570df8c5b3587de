"""Study: which series there are, what is wrong with them, and how the image is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QListWidget,
    QListWidgetItem,
)

from surgitwin.commands.properties import ConfirmSide, EditImage
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, Panel, button
from surgitwin.gui.panels.second_image import SecondImageBox
from surgitwin.gui.second_look import SecondLook
from surgitwin.gui.theme import Theme
from surgitwin.scene.nodes import VolumeNode

WARNINGS_ROLE = Qt.ItemDataRole.UserRole + 1
PHASES = ("", "unenhanced", "arterial", "portal venous", "delayed")


class StudyPanel(Panel):
    """Signals: which series to load or add, and how to look at the image."""

    load_wanted = Signal(object, str)  # Path, series UID
    add_wanted = Signal(object, str)
    open_folder_wanted = Signal()
    window_wanted = Signal(object)  # Window
    slab_wanted = Signal(str, float)
    volume_preset_wanted = Signal(object)  # str or None
    interpolation_wanted = Signal(bool)

    def __init__(
        self,
        desk: Desk,
        theme: Theme,
        look: SecondLook,
        windows: list[Any],
        volume_presets: list[tuple[str, str]],
    ) -> None:
        super().__init__(theme, tr("Study"), tr("Images"))
        self._desk = desk
        self._path: Path | None = None
        self.buttons(button(tr("Open folder"), self.open_folder_wanted.emit, "primary", tr("Ctrl+O")))
        with self.group() as self.series_group:
            self._show_list()
        with self.group() as self.image_group:
            self._show_image()
        with self.group() as self.look_group:
            self._show_looks(windows, volume_presets)
        self.second = SecondImageBox(theme, desk, look)
        self.add(self.second)
        with self.group() as self.defects_group:
            self.section(tr("What to know about this image"))
            self.warnings = self.note()
            self.confirm_side = button(tr("Left and right are right as shown"), self._confirm_side)
            self.buttons(self.confirm_side)
        self.column.addStretch(1)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.volume_changed.connect(lambda _: self.refresh())
        self.show_series(None, [])
        self.refresh()

    def _show_list(self) -> None:
        self.section(tr("Series in this folder"))
        self.series = QListWidget()
        self.series.setWordWrap(True)
        self.series.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.series.setAccessibleName(tr("Series in this folder"))
        self.series.setMinimumHeight(180)
        self.series.itemDoubleClicked.connect(lambda _: self._load())
        self.add(self.series)
        self.load_button = button(tr("Load as new case"), self._load, "primary")
        self.add_button = button(tr("Add to this case"), self._add)
        self.buttons(self.load_button, self.add_button)
        self.series_warnings = self.note(role="caution")
        self.series.currentRowChanged.connect(lambda _: self._show_series_warnings())

    def _show_image(self) -> None:
        self.section(tr("Image"))
        self.facts = self.note()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.column.addLayout(form)
        self.phase = Choice()
        self.phase.setEditable(True)
        self.phase.addItems(PHASES)
        self.phase.setToolTip(tr("Guessed from the header; correct it here"))
        self.phase.activated.connect(lambda _: self._set_phase())
        line = self.phase.lineEdit()
        if line is not None:
            line.editingFinished.connect(self._set_phase)
        form.addRow(tr("Phase"), self.phase)

    def _show_looks(self, windows: list[Any], volume_presets: list[tuple[str, str]]) -> None:
        self.section(tr("Look"))
        self.slab_mode = Choice()
        for name, title in (
            ("none", tr("Single slice")),
            ("mip", tr("Slab, maximum (MIP)")),
            ("minip", tr("Slab, minimum")),
            ("mean", tr("Slab, mean")),
        ):
            self.slab_mode.addItem(title, name)
        self.slab_mm = QDoubleSpinBox()
        self.slab_mm.setRange(1.0, 100.0)
        self.slab_mm.setDecimals(1)
        self.slab_mm.setValue(10.0)
        self.slab_mm.setSuffix(" mm")
        for signal in (self.slab_mode.currentIndexChanged, self.slab_mm.valueChanged):
            signal.connect(lambda _: self.slab_wanted.emit(self.slab_mode.currentData(), self.slab_mm.value()))
        look = QFormLayout()
        look.setContentsMargins(0, 0, 0, 0)
        look.addRow(tr("Window"), self._windows(windows))
        look.addRow(tr("Slices"), self.slab_mode)
        look.addRow(tr("Thickness"), self.slab_mm)
        self.volume_preset = Choice()
        self.volume_preset.addItem(tr("Off"), None)
        for title, preset_id in volume_presets:
            self.volume_preset.addItem(title, preset_id)
        self.volume_preset.currentIndexChanged.connect(
            lambda _: self.volume_preset_wanted.emit(self.volume_preset.currentData())
        )
        look.addRow(tr("Volume rendering"), self.volume_preset)
        self.column.addLayout(look)

    def show_series(self, path: Path | None, series: list[dict[str, Any]]) -> None:
        """List what a folder holds, with its warnings; what cannot be loaded is greyed out."""
        self._path = path
        self.series.clear()
        for entry in series:
            item = QListWidgetItem(series_text(entry))
            item.setData(Qt.ItemDataRole.UserRole, entry["series_uid"])
            warnings = [warning["message"] for warning in entry.get("warnings", [])]
            item.setToolTip("\n".join(warnings))
            item.setData(WARNINGS_ROLE, warnings)
            if not entry.get("size_ijk"):
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.series.addItem(item)
        self.series_group.setVisible(bool(series))
        for row in range(self.series.count()):
            item_at = self.series.item(row)
            if item_at.flags() & Qt.ItemFlag.ItemIsEnabled:
                self.series.setCurrentRow(row)
                break
        self.refresh()

    def refresh(self) -> None:
        volume = self._desk.volume
        self.add_button.setEnabled(self._desk.session is not None and len(self._desk.scene) > 0)
        for group in (self.image_group, self.look_group, self.defects_group):
            group.setVisible(volume is not None)
        self.confirm_side.setVisible(volume is not None and not volume.side_known)
        if volume is None:
            return
        self.facts.setText(facts_of(volume))
        self.phase.setCurrentText(volume.identity.phase)
        notices = [f"⚠ {notice.message}" for notice in volume.notices]
        self.warnings.setText("\n\n".join(notices) or tr("✓ No defects were found."))

    def _windows(self, windows: list[Any]) -> Choice:
        box = Choice()
        box.addItem(tr("Preset …"), None)
        for window in windows:
            key = f"   ({window.key})" if window.key else ""
            box.addItem(f"{window.name}  {window.window.text}{key}", window)
        box.activated.connect(lambda _: self.window_wanted.emit(box.currentData()) if box.currentData() else None)
        self.window_choice = box
        return box

    def _show_series_warnings(self) -> None:
        """What is wrong with the series that is chosen, before it is loaded."""
        item = self.series.currentItem() if self.series.count() else None
        warnings = item.data(WARNINGS_ROLE) or [] if item is not None else []
        self.series_warnings.setText("\n".join(f"⚠ {warning}" for warning in warnings))
        self.series_warnings.setVisible(bool(warnings))

    def _chosen(self) -> str | None:
        row = self.series.currentRow()
        return str(self.series.item(row).data(Qt.ItemDataRole.UserRole)) if row >= 0 else None

    def _load(self) -> None:
        chosen = self._chosen()
        if self._path is not None and chosen is not None:
            self.load_wanted.emit(self._path, chosen)

    def _add(self) -> None:
        chosen = self._chosen()
        if self._path is not None and chosen is not None:
            self.add_wanted.emit(self._path, chosen)

    def _set_phase(self) -> None:
        volume = self._desk.volume
        if volume is not None and self.phase.currentText() != volume.identity.phase:
            self._desk.do_now(EditImage(volume=volume.id, phase=self.phase.currentText()))

    def _confirm_side(self) -> None:
        volume = self._desk.volume
        if volume is not None:
            self._desk.do_now(ConfirmSide(node=volume.id))


def series_text(entry: dict[str, Any]) -> str:
    """One series in two or three lines."""
    size = " × ".join(str(n) for n in entry.get("size_ijk") or [])
    spacing = " × ".join(f"{s:.3g}" for s in entry.get("spacing_mm") or [])
    first = entry.get("description") or entry.get("kind") or entry["series_uid"]
    second = "  ".join(part for part in (entry.get("modality", ""), size, f"{spacing} mm" if spacing else "") if part)
    third = "  ".join(part for part in (entry.get("study_date") or "", entry.get("phase") or "") if part)
    count = len(entry.get("warnings", []))
    words = tr("⚠ 1 warning") if count == 1 else tr("⚠ {count} warnings")
    warning = words.format(count=count) if count else ""
    return "\n".join(line for line in (first, second, third, warning) if line)


def facts_of(volume: VolumeNode) -> str:
    """Size, spacing and date of an image."""
    size = " × ".join(str(n) for n in volume.geometry.size_ijk)
    spacing = " × ".join(f"{s:.2f}" for s in volume.geometry.spacing_mm)
    parts = [volume.name, tr("{size} voxels").format(size=size), tr("{spacing} mm").format(spacing=spacing)]
    identity = volume.identity
    parts.append(
        "  ".join(part for part in (identity.modality, identity.study_date, identity.acquisition_time) if part)
    )
    if identity.contrast:
        parts.append(tr("Contrast: {agent}").format(agent=identity.contrast))
    return "\n".join(part for part in parts if part)
