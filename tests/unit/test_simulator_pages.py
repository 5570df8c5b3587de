"""The pages about simulators say what the program assumes and holds results against."""

from __future__ import annotations

from pathlib import Path

from surgitwin.simulators.base import Tag
from surgitwin.simulators.portal_pressure.limits import LIMITS
from surgitwin.simulators.portal_pressure.params import PortalPressureParams

DEVELOPER = Path(__file__).resolve().parents[2] / "docs" / "developer"
CHECKED: dict[Tag, str] = {"R": "read", "M": "recalled, not checked", "D": "our choice"}


def rows_below(page: str, first_words: str) -> list[str]:
    """The rows of the table whose heading begins with these words."""
    lines = iter((DEVELOPER / page).read_text(encoding="utf-8").splitlines())
    assert any(line.startswith(first_words) for line in lines), first_words
    next(lines)
    rows: list[str] = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


def prior_rows() -> list[str]:
    rows: list[str] = []
    for name, mark in PortalPressureParams.quantities().items():
        if mark.prior is None:
            continue
        share = f" × {mark.relative_to}" if mark.relative_to else ""
        point = mark.prior.centre if mark.default is None else mark.default
        cells = (
            f"`{name}`, {mark.title}",
            mark.prior.text().replace("..", " to ") + share,
            mark.unit,
            f"{mark.low:g} to {mark.high:g}",
            f"{point:g}",
            mark.source,
            CHECKED[mark.tag],
        )
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def limit_rows() -> list[str]:

    return [
        f"| {one.author} | `{one.output}` | {one.limit:g} {one.unit} | {one.setting} | {one.text} |"
        f" {one.population} | {CHECKED[one.tag]} |"
        for one in LIMITS
    ]


def test_the_portal_pressure_page_lists_every_value_that_is_assumed_with_how_it_was_checked() -> None:
    assert rows_below("portal-pressure.md", "| setting | assumed |") == prior_rows()


def test_the_portal_pressure_page_lists_every_limit_with_its_population() -> None:
    assert rows_below("portal-pressure.md", "| published by |") == limit_rows()
