"""How a report looks: fonts, colours, paragraph styles and the little words beside numbers."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from surgitwin.exchange.report_content import Quantity, Status, Verdict

_RESOURCES = Path(__file__).parent.parent / "resources"
_FONT_FILES = {"Regular": "Inter-Regular.ttf", "Medium": "Inter-Medium.ttf", "SemiBold": "Inter-SemiBold.ttf"}
_FALLBACK_FILES = {"Regular": "Vera.ttf", "Medium": "VeraBd.ttf", "SemiBold": "VeraBd.ttf"}  # in reportlab's own folder
_STATUS_COLOURS = {
    Status.DRAFT: "caution",
    Status.STALE: "bad",
    Status.SIMULATED: "accent",
    Status.AUTOMATIC: "text-muted",
    Status.CUT_OFF: "caution",
}
_VERDICT_COLOURS = {"meets": "good", "below": "bad", "not assessed": "text-muted"}
_VERDICT_SYMBOLS = {"meets": "✓+", "below": "▼!", "not assessed": "–-"}  # the first that the font has


@dataclass(frozen=True)
class Fonts:
    """Names of the registered fonts, and which characters they hold.

    East Asian characters are set in the fonts that every PDF viewer supplies; what no font holds is printed as "?".
    """

    regular: str
    medium: str
    semibold: str
    characters: frozenset[int]

    @staticmethod
    def load(folder: Path | None = None) -> Fonts:
        """Register Inter, or, if the package was built without it, the fonts that come with reportlab."""
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont

        folder = folder if folder is not None else _RESOURCES / "fonts"
        shipped = all((folder / file).is_file() for file in _FONT_FILES.values())
        family = "Inter" if shipped else "Vera"
        names: dict[str, str] = {}
        for weight, file in (_FONT_FILES if shipped else _FALLBACK_FILES).items():
            names[weight] = f"Surgitwin-{family}-{weight}"
            if names[weight] not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(names[weight], str(folder / file) if shipped else file))
        characters = frozenset(pdfmetrics.getFont(names["Regular"]).face.charToGlyph)
        return Fonts(names["Regular"], names["Medium"], names["SemiBold"], characters)

    def has(self, character: str) -> bool:
        return ord(character) in self.characters

    def markup(self, text: str) -> str:
        """``text`` safe inside a Paragraph, every character in a font that has it; line breaks kept."""
        parts: list[str] = []
        for character in unicodedata.normalize("NFC", text):
            if character == "\n":
                parts.append("<br/>")
            elif self.has(character):
                parts.append(escape(character))
            elif asian := _asian_font(character):
                parts.append(f'<font name="{asian}">{escape(character)}</font>')
            else:
                parts.append(" " if character.isspace() else "?")
        return "".join(parts)


def _asian_font(character: str) -> str | None:
    """A font of the viewer for this character, registered; None if it is not East Asian."""
    code = ord(character)
    if 0xAC00 <= code <= 0xD7A3:
        name = "HYGothic-Medium"
    elif 0x3040 <= code <= 0x30FF:
        name = "HeiseiKakuGo-W5"
    elif 0x4E00 <= code <= 0x9FFF or 0x3000 <= code <= 0x303F or 0xFF00 <= code <= 0xFF60:
        name = "STSong-Light"
    else:
        return None
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    if name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


class Style:
    """Everything that pages, tables and pictures share."""

    def __init__(self, fonts: Fonts | None = None) -> None:
        self.fonts = fonts or Fonts.load()
        theme = json.loads((_RESOURCES / "theme" / "light.json").read_text(encoding="utf-8"))
        self._colours: dict[str, str] = theme["colours"]

    def hex(self, token: str) -> str:
        """A colour of the light theme as ``#rrggbb``."""
        return self._colours[token]

    def colour(self, token: str) -> Any:
        from reportlab.lib.colors import HexColor

        return HexColor(self.hex(token))

    def tint(self, token: str, share: float = 0.14) -> str:
        """A colour of the theme thinned with white, as ``#rrggbb``."""
        digits = self.hex(token)[1:]
        parts = (int(digits[at : at + 2], 16) for at in (0, 2, 4))
        return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)

    def tinted(self, token: str) -> Any:
        """`tint` as a colour to draw with."""
        from reportlab.lib.colors import HexColor

        return HexColor(self.tint(token))

    def paragraph(self, text: str, style: str = "body") -> Any:
        """A Paragraph of plain text."""
        return self.marked(self.fonts.markup(text), style)

    def marked(self, markup: str, style: str = "body") -> Any:
        """A Paragraph of text that is already marked up."""
        from reportlab.platypus import Paragraph

        return Paragraph(markup, self.styles[style])

    def badge(self, status: Status) -> str:
        """A status as a small word on a tinted ground; markup."""
        token = _STATUS_COLOURS[status]
        word = self.fonts.markup(status.label).replace(" ", "\u00a0")
        return (
            f'<font name="{self.fonts.semibold}" size="5.5" color="{self.hex(token)}" backColor="{self.tint(token)}">'
            f"\u00a0{word}\u00a0</font>"
        )

    def badges(self, statuses: tuple[Status, ...]) -> str:
        return " ".join(self.badge(status) for status in Status if status in statuses)

    def quantity(self, quantity: Quantity, strong: bool = False) -> str:
        """A number with its unit and, beside it, its statuses; markup."""
        text = self.fonts.markup(quantity.formatted())
        if not quantity.assessed:
            return f'<font color="{self.hex("text-muted")}">{text}</font>'
        number = f'<font name="{self.fonts.semibold}">{text}</font>' if strong else text
        return f"{number} {self.badges(quantity.statuses)}".strip()

    def verdict(self, verdict: Verdict, word: str) -> str:
        """A verdict as a symbol and a word, so that it can be read without seeing colours; markup."""
        symbol = next((s for s in _VERDICT_SYMBOLS[verdict] if self.fonts.has(s)), "-")
        colour = self.hex(_VERDICT_COLOURS[verdict])
        return f'<font name="{self.fonts.semibold}" color="{colour}">{symbol}\u00a0{self.fonts.markup(word)}</font>'

    def heading(self, text: str, room: float = 100.0) -> list[Any]:
        """A section's heading, on the next page if there is no room for it and the start of what follows."""
        from reportlab.platypus import CondPageBreak

        return [CondPageBreak(room), self.paragraph(text, "h1")]

    def swatch(self, color: tuple[int, int, int]) -> str:
        """A square of a colour; markup."""
        code = "#{:02x}{:02x}{:02x}".format(*color)
        if self.fonts.has("■"):
            return f'<font color="{code}">■</font>'
        return f'<font backColor="{code}">\u00a0\u00a0\u00a0</font>'

    @cached_property
    def styles(self) -> dict[str, Any]:
        from reportlab.lib.enums import TA_RIGHT
        from reportlab.lib.styles import ParagraphStyle

        text, muted = self.colour("text"), self.colour("text-muted")
        body = ParagraphStyle("body", fontName=self.fonts.regular, fontSize=9, leading=12.5, textColor=text)

        def derived(name: str, **changes: Any) -> ParagraphStyle:
            return ParagraphStyle(name, parent=body, **changes)

        small = {"fontSize": 8, "leading": 11}
        heading = {"fontName": self.fonts.semibold}
        return {
            "body": body,
            "title": derived("title", fontName=self.fonts.semibold, fontSize=19, leading=24),
            "subtitle": derived("subtitle", fontSize=10.5, leading=14, textColor=muted, spaceAfter=8),
            "h1": derived("h1", fontSize=12.5, leading=16, spaceBefore=14, spaceAfter=5, **heading),
            "h2": derived("h2", fontSize=9.5, leading=13, spaceBefore=6, spaceAfter=3, **heading),
            "cell": derived("cell", **small),
            "number": derived("number", alignment=TA_RIGHT, **small),
            "head": derived("head", fontName=self.fonts.semibold, textColor=muted, **small),
            "head-number": derived(
                "head-number", fontName=self.fonts.semibold, textColor=muted, alignment=TA_RIGHT, **small
            ),
            "muted": derived("muted", textColor=muted, **small),
            "status": derived("status", textColor=muted, fontSize=8, leading=12.5),
            "foot": derived("foot", textColor=muted, fontSize=7, leading=9.5, spaceBefore=4),
            "caption": derived("caption", fontSize=8, leading=10.5, spaceBefore=2),
            "legend": derived("legend", fontSize=7, leading=9.5, textColor=muted),
        }
