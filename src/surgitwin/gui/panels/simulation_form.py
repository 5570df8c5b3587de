"""The parameters of a simulator as fields, under the headings that it gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.form import Form
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import Node
from surgitwin.simulators.base import SimulatorParams

OTHER, PARAMETERS = tr("Other"), tr("Parameters")


class SimulationForm(QWidget):
    """Edits the parameters of one simulator; empty fields take what the twin says or what is assumed."""

    changed = Signal()

    def __init__(self, theme: Theme, kind: type[SimulatorParams], segments: Callable[[], list[Node]]) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.forms: list[Form] = []
        self.sections: list[Section] = []
        for number, (title, names) in enumerate(_grouped(kind)):
            section = Section(theme, title, opened=number == 0)
            form = Form(kind, segments=segments, only=names)
            form.changed.connect(self.changed)
            section.body.addWidget(form)
            column.addWidget(section)
            self.forms.append(form)
            self.sections.append(section)

    def refresh_nodes(self) -> None:
        """Offer the segments that there are now."""
        for form in self.forms:
            form.refresh_nodes()

    def settings(self) -> dict[str, Any]:
        """What was typed, by parameter; what stands at its default is left out."""
        found: dict[str, Any] = {}
        for form in self.forms:
            found |= form.values()
        return {name: value for name, value in found.items() if value != self._defaults.get(name)}

    def show_settings(self, settings: dict[str, Any]) -> None:
        """Fill in what was typed for an earlier result."""
        for form in self.forms:
            for name in form.names:
                form.set_value(name, settings.get(name, self._defaults.get(name, "")))

    @property
    def _defaults(self) -> dict[str, Any]:
        return {name: value for form in self.forms for name, value in form.defaults.items()}


def _grouped(kind: type[SimulatorParams]) -> list[tuple[str, tuple[str, ...]]]:
    """Parameters by heading, in the order in which the headings come; those without one at the end."""
    quantities = kind.quantities()
    groups: dict[str, list[str]] = {title: [] for title in kind.headings}
    rest: list[str] = []
    for name in kind.model_fields:
        group = quantities[name].group if name in quantities else ""
        (groups.setdefault(group, []) if group else rest).append(name)
    named = [(title, tuple(names)) for title, names in groups.items() if names]
    return [*named, (OTHER if named else PARAMETERS, tuple(rest))] if rest else named
