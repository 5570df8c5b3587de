"""The look of the window, built from the tokens of ``resources/theme/``: palette, style sheet and Inter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from surgitwin.core.errors import SurgitwinError
from surgitwin.render.tokens import FONT_FILES, RESOURCES, Tokens, load_tokens

Weight = Literal["regular", "medium", "semibold"]
_WEIGHTS = {
    "regular": QFont.Weight.Normal,
    "medium": QFont.Weight.Medium,
    "semibold": QFont.Weight.DemiBold,
}


@dataclass(frozen=True, eq=False)
class Theme:
    """One theme in Qt's terms. Widgets that paint themselves get it handed over; all others follow the style sheet."""

    tokens: Tokens

    @staticmethod
    def load(name: str = "dark") -> Theme:
        return Theme(load_tokens(name))

    @property
    def unit(self) -> int:
        """The grid that all distances are multiples of, in logical pixels."""
        return self.tokens.sizes["unit"]

    def colour(self, name: str, alpha: float = 1.0) -> QColor:
        """The colour of a token, at an opacity from 0 to 1."""
        colour = QColor(*self.tokens.rgb(name))
        colour.setAlphaF(alpha)
        return colour

    def tint(self, name: str) -> QColor:
        """The quiet background that goes with a coloured text or border."""
        return self.colour(name, self.tokens.alphas["tint"])

    def font(self, size: str = "font", weight: Weight = "regular") -> QFont:
        """Inter with tabular figures; ``size`` is the name of a size token."""
        return inter(self.tokens.sizes[size], weight)

    def palette(self) -> QPalette:
        """The palette for widgets and parts of widgets that the style sheet leaves alone."""
        roles = QPalette.ColorRole
        palette = QPalette()
        for role, name in (
            (roles.Window, "surface"),
            (roles.WindowText, "text"),
            (roles.Base, "background"),
            (roles.AlternateBase, "raised"),
            (roles.Text, "text"),
            (roles.Button, "raised"),
            (roles.ButtonText, "text"),
            (roles.BrightText, "bad"),
            (roles.ToolTipBase, "raised"),
            (roles.ToolTipText, "text"),
            (roles.Highlight, "accent"),
            (roles.HighlightedText, "on-accent"),
            (roles.Link, "accent"),
            (roles.PlaceholderText, "text-faint"),
            (roles.Mid, "line"),
            (roles.Dark, "background"),
            (roles.Light, "hover"),
            (roles.Accent, "accent"),
        ):
            palette.setColor(role, self.colour(name))
        for role in (roles.WindowText, roles.Text, roles.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.colour("text-faint"))
        return palette

    def stylesheet(self) -> str:
        """The style sheet of the whole program."""
        values = {f"@{name}@": value for name, value in self.tokens.colours.items()}
        values |= {f"@{name}-tint@": _css(self.tint(name)) for name in ("good", "caution", "bad", "accent")}
        values |= {f"@{name}-px@": f"{value}px" for name, value in self.tokens.sizes.items()}
        # A style sheet wants forward slashes on every system.
        values |= {"@icons@": (RESOURCES / "theme").as_posix(), "@theme@": self.tokens.name}
        sheet = _sheet()
        for placeholder, value in values.items():
            sheet = sheet.replace(placeholder, value)
        return sheet


def apply_theme(app: QApplication, name: str = "dark") -> Theme:
    """Give the whole program the theme ``name`` and return it for the widgets that paint themselves."""
    theme = Theme.load(name)
    # Without it Qt gives a widget back an earlier font whenever the style sheet looks at it again.
    app.setAttribute(Qt.ApplicationAttribute.AA_UseStyleSheetPropagationInWidgetStyles)
    app.setStyle("Fusion")
    app.setPalette(theme.palette())
    app.setFont(theme.font())
    app.setStyleSheet(theme.stylesheet())
    return theme


def inter(size_px: int, weight: Weight = "regular") -> QFont:
    """Inter at ``size_px`` logical pixels, all figures equally wide so that changing numbers stay in place."""
    font = QFont(_family())
    font.setPixelSize(size_px)
    font.setWeight(_WEIGHTS[weight])
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setStyleStrategy(QFont.StyleStrategy.PreferAntialias)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return font


def set_role(widget: QWidget, role: str) -> None:
    """Let the style sheet treat ``widget`` as ``role`` (``muted``, ``primary``, ``section`` ...)."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    restyle(widget)
    if role in ("card", "banner", "panel", "chip", "window"):
        widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)


def restyle(widget: QWidget) -> None:
    """Let the style sheet look at the widget's properties anew."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


@cache
def _family() -> str:
    families: list[str] = []
    for path in FONT_FILES.values():
        loaded = QFontDatabase.addApplicationFont(str(path))
        if loaded < 0:
            raise SurgitwinError(f"The font {path.name} cannot be read; install Surgitwin again.")
        families += QFontDatabase.applicationFontFamilies(loaded)
    return families[0]


@cache
def _sheet() -> str:
    return (RESOURCES / "theme" / "window.qss").read_text(encoding="utf-8")


def _css(colour: QColor) -> str:
    return f"rgba({colour.red()}, {colour.green()}, {colour.blue()}, {colour.alphaF():.2f})"
