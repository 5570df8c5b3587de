"""Measure the segmentation methods against masks and truth, and write the tables of docs/validation/segmentation.md.

The sections are the modules in ``benchmarks/validation``, each with a ``TITLE`` and a ``report()`` of Markdown lines.
``--only NAME`` runs some of them and replaces just their sections.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SECTIONS = ("basic", "liver", "vessels", "lesion")
TARGET = FOLDER.parent / "docs" / "validation" / "segmentation.md"
INTRODUCTION = """\
# Segmentation: how right it is

Made by `python benchmarks/validate_segmentation.py`; not edited by hand. Dice is twice the shared voxels over the
sum of both. Times are of one run each, on two cores without a graphics card, other work on the machine at times.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="the sections to measure")
    parser.add_argument("--out", type=Path, default=TARGET, help="the file to write")
    chosen = parser.parse_args()
    sys.path.insert(0, str(FOLDER))
    modules = {name: importlib.import_module(f"validation.{name}") for name in SECTIONS if known(name)}
    parts = existing(chosen.out)
    for name, module in modules.items():
        if name in chosen.only:
            parts[module.TITLE] = "\n".join(module.report())
            print(f"## {module.TITLE}\n\n{parts[module.TITLE]}\n", flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sections = [f"## {m.TITLE}\n\n{parts[m.TITLE].strip()}\n" for m in modules.values() if m.TITLE in parts]
    chosen.out.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")


def known(name: str) -> bool:
    return (FOLDER / "validation" / f"{name}.py").exists()


def existing(path: Path) -> dict[str, str]:
    """The sections that the file already has, by title."""
    if not path.exists():
        return {}
    pieces = re.split(r"^## (.+)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {title.strip(): body.strip() for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}


if __name__ == "__main__":
    main()
