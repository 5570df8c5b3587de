"""The documentation keeps up with the code: every warning explained, every command listed, no link into nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def notice_codes() -> set[str]:
    """The codes of all warnings that the program can give, read from its source."""
    codes: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            code: ast.expr | None = None
            if isinstance(node, ast.Call) and "Notice" in (
                getattr(node.func, "id", ""),
                getattr(node.func, "attr", ""),
            ):
                code = node.args[0] if node.args else None
                code = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), code)
            elif isinstance(node, ast.Dict):
                entries = {getattr(key, "value", ""): value for key, value in zip(node.keys, node.values, strict=True)}
                code = entries.get("code") if "message" in entries else None
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                codes.add(code.value)
    return codes


def test_every_warning_has_its_line_in_the_user_guide() -> None:
    page = (ROOT / "docs" / "user" / "warnings.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z0-9-]+)`", page))

    assert sorted(notice_codes() - explained) == []


def test_every_command_has_its_line_in_the_architecture_page() -> None:
    from surgitwin.commands import COMMANDS

    page = (ROOT / "docs" / "developer" / "architecture.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \| `(\w+)` \| (\w+) \|$", page, flags=re.MULTILINE))

    assert {(kind.name, kind.__name__, kind.case) for kind in COMMANDS.values()} == rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]

    assert [link for link in local if not (page.parent / link).exists()] == []
