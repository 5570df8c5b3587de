"""What the window remembers between starts: recent cases, theme, size. No patient's name is among it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_RECENT = 12


class Settings(BaseModel):
    """Stored as one small JSON file; anything unreadable in it falls back to the defaults."""

    model_config = ConfigDict(extra="ignore")

    recent: list[Path] = []
    theme: str = "dark"
    geometry: str = ""
    implant_folders: list[Path] = []

    def opened(self, path: Path) -> None:
        """Put a case first in the list of recent ones."""
        path = path.absolute()
        self.recent = [path, *(other for other in self.recent if other != path)][:MAX_RECENT]

    def existing_recent(self) -> list[Path]:
        return [path for path in self.recent if path.exists()]


def config_folder() -> Path:
    given = os.environ.get("SURGITWIN_CONFIG_DIR")
    return Path(given) if given else user_config_path("surgitwin", appauthor=False)


def cases_folder() -> Path:
    """Where new cases go until the user saves them elsewhere; made if needed."""
    given = os.environ.get("SURGITWIN_DATA_DIR")
    folder = (Path(given) if given else user_data_path("surgitwin", appauthor=False)) / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def load_settings() -> Settings:
    try:
        return Settings.model_validate_json((config_folder() / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError):
        return Settings()


def save_settings(settings: Settings) -> None:
    """Write the settings; where that cannot be done they last for this session only."""
    folder = config_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "settings.json.new"
        temporary.write_text(json.dumps(settings.model_dump(mode="json"), indent=1), encoding="utf-8")
        temporary.replace(folder / "settings.json")
    except OSError:
        return
