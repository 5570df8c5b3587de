"""Numbers that decide: large, with unit, status, and a verdict that does not rely on colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, set_role

Level = Literal["good", "caution", "bad"]


class Status(StrEnum):
    """What a reader must know of a number before trusting it."""

    DRAFT = "draft"
    STALE = "stale"
    SIMULATED = "simulated"
    APPROXIMATE = "approximate"

    @property
    def text(self) -> str:
        return {
            Status.DRAFT: tr("DRAFT"),
            Status.STALE: tr("STALE"),
            Status.SIMULATED: tr("SIMULATED"),
            Status.APPROXIMATE: "≈",
        }[self]

    @property
    def hint(self) -> str:
        return {
            Status.DRAFT: tr("Not reviewed yet."),
            Status.STALE: tr("Something it was computed from has changed since. Compute it again."),
            Status.SIMULATED: tr("Computed by a model, not measured."),
            Status.APPROXIMATE: tr("A quick estimate while the cut is dragged."),
        }[self]

    @property
    def token(self) -> str:
        """The colour token that it is drawn in."""
        return "text-muted" if self is Status.SIMULATED else "caution"


@dataclass(frozen=True)
class Verdict:
    """How a number compares with its limit; ``text`` names the limit and the population it holds for."""

    level: Level
    text: str


class StatusBadge(QWidget):
    """A small outlined word such as DRAFT."""

    def __init__(self, theme: Theme, status: Status = Status.DRAFT, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._font = theme.font("font-small", "semibold")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_status(status)

    def set_status(self, status: Status) -> None:
        self.status = status
        self.setToolTip(status.hint)
        self.setAccessibleName(status.text)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self._font)
        return QSize(round(metrics.horizontalAdvance(self.status.text)) + 12, round(metrics.height()) + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(self.status.token, self._theme.tokens.alphas["tint"]))
        painter.drawRoundedRect(QRectF(self.rect()), 4, 4)
        painter.setPen(self._theme.colour(self.status.token))
        painter.setFont(self._font)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.status.text)
        painter.end()


class VerdictPill(QWidget):
    """A verdict as shape and text: tick, triangle or cross, so that it can be read without seeing colours."""

    MARK = 12
    PAD = 6

    def __init__(self, theme: Theme, verdict: Verdict | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._font = theme.font("font-small", "medium")
        self.verdict = verdict
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.set_verdict(verdict)

    def set_verdict(self, verdict: Verdict | None) -> None:
        self.verdict = verdict
        self.setVisible(verdict is not None)
        self.setAccessibleName("" if verdict is None else f"{_level_name(verdict.level)}: {verdict.text}")
        self._fit()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be as high as the text needs at this width; grids do not ask for that."""
        if self.verdict is not None:
            self.setFixedHeight(self.heightForWidth(self.width()))

    def heightForWidth(self, width: int) -> int:
        return round(self._text_box(width).height()) + 8

    def sizeHint(self) -> QSize:
        text = "" if self.verdict is None else self.verdict.text
        width = round(QFontMetricsF(self._font).horizontalAdvance(text)) + self.MARK + 3 * self.PAD + 2
        width = min(width, 220)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(64, self.heightForWidth(max(self.width(), 64)))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.verdict is None:
            return
        colour = self._theme.colour(self.verdict.level)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = self._text_box(self.width())
        width = min(self.width(), self.MARK + 3 * self.PAD + round(box.width()) + 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.tint(self.verdict.level))
        painter.drawRoundedRect(QRectF(0, 0, width, self.height()), 4, 4)
        middle = 4 + QFontMetricsF(self._font).height() / 2
        draw_mark(painter, self.verdict.level, QPointF(self.PAD + self.MARK / 2, middle), self._theme)
        painter.setFont(self._font)
        painter.setPen(colour)
        painter.drawText(box, Qt.TextFlag.TextWordWrap, self.verdict.text)
        painter.end()

    def _text_box(self, width: int) -> QRectF:
        left = self.MARK + 2 * self.PAD
        free = QRectF(left, 4, max(width - left - self.PAD, 20), 1000)
        text = "" if self.verdict is None else self.verdict.text
        return QFontMetricsF(self._font).boundingRect(free, Qt.TextFlag.TextWordWrap, text).adjusted(0, 0, 1, 0)


class DecisionCard(QFrame):
    """One number with its title, unit, statuses, a line of detail and a verdict."""

    def __init__(self, theme: Theme, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        set_role(self, "card")
        self._title = QLabel(title)
        self._title.setFont(theme.font("font-small"))
        self._title.setWordWrap(True)
        set_role(self._title, "muted")
        self._value = QLabel()
        self._value.setFont(theme.font("font-value", "semibold"))
        self._unit = QLabel()
        set_role(self._unit, "muted")
        self._badges = QHBoxLayout()
        self._badges.setSpacing(4)
        self._shown_badges: list[StatusBadge] = []
        self._detail = QLabel()
        self._detail.setFont(theme.font("font-small"))
        self._detail.setWordWrap(True)
        set_role(self._detail, "muted")
        self._pill = VerdictPill(theme)
        self._arrange()
        self.set_value(None)

    def set_title(self, title: str) -> None:
        self._title.setText(title)

    def set_value(
        self,
        value: str | None,
        unit: str = "",
        detail: str = "",
        statuses: tuple[Status, ...] = (),
        verdict: Verdict | None = None,
    ) -> None:
        """Show a number as text; None reads “not assessed” and has neither unit nor verdict."""
        approximate = Status.APPROXIMATE in statuses
        known = value is not None
        self._value.setText(f"{'≈ ' if approximate else ''}{value}" if known else tr("not assessed"))
        self._value.setFont(self._theme.font("font-value", "semibold") if known else self._theme.font())
        set_role(self._value, "" if known else "faint")
        self._unit.setText(unit if known else "")
        self._detail.setText(detail)
        self._detail.setVisible(bool(detail))
        self._pill.set_verdict(verdict if known else None)
        self._set_badges(tuple(s for s in statuses if s is not Status.APPROXIMATE))
        words = [self._title.text(), self._value.text(), self._unit.text(), *(s.text for s in statuses), detail]
        self.setAccessibleName(", ".join(word for word in words if word))

    def _set_badges(self, statuses: tuple[Status, ...]) -> None:
        if [badge.status for badge in self._shown_badges] == list(statuses):
            return
        for badge in self._shown_badges:
            self._badges.removeWidget(badge)
            badge.hide()
            badge.deleteLater()
        self._shown_badges = [StatusBadge(self._theme, status) for status in statuses]
        for badge in self._shown_badges:
            self._badges.addWidget(badge)

    def _arrange(self) -> None:
        number = QHBoxLayout()
        number.setSpacing(4)
        number.addWidget(self._value)
        number.addWidget(self._unit, alignment=Qt.AlignmentFlag.AlignBottom)
        self._set_on_one_line()
        number.addStretch(1)
        heading = QHBoxLayout()
        heading.setSpacing(4)
        heading.addWidget(self._title, stretch=1)
        heading.addLayout(self._badges)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 10)
        column.setSpacing(2)
        column.addLayout(heading)
        column.addLayout(number)
        column.addWidget(self._detail)
        column.addSpacing(2)
        column.addWidget(self._pill)
        column.addStretch(1)

    def _set_on_one_line(self) -> None:
        """Lift the small unit so that it stands on the number's base line; box layouts cannot do that."""
        large, small = QFontMetricsF(self._value.font()), QFontMetricsF(self._unit.font())
        self._unit.setContentsMargins(0, 0, 0, round(large.descent() - small.descent()))


def draw_mark(painter: QPainter, level: str, centre: QPointF, theme: Theme) -> None:
    """Draw the shape of a level, 10 pixels wide: tick (good), triangle (caution), cross (bad), dot (anything else)."""
    colour = theme.colour(level if level in ("good", "caution", "bad") else "text-muted")
    x, y = centre.x(), centre.y()
    pen = QPen(colour, 1.8)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if level == "good":
        painter.drawPolyline([QPointF(x - 4, y), QPointF(x - 1, y + 3), QPointF(x + 4, y - 3.5)])
    elif level == "caution":
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(QPolygonF([QPointF(x, y - 4.5), QPointF(x + 5, y + 4), QPointF(x - 5, y + 4)]))
    elif level == "bad":
        painter.drawLine(QPointF(x - 3.5, y - 3.5), QPointF(x + 3.5, y + 3.5))
        painter.drawLine(QPointF(x - 3.5, y + 3.5), QPointF(x + 3.5, y - 3.5))
    else:
        painter.drawEllipse(centre, 3.5, 3.5)


def _level_name(level: Level) -> str:
    return {"good": tr("Good"), "caution": tr("Caution"), "bad": tr("Bad")}[level]
