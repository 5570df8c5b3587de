"""What holds for every test: folders of its own, reproducible examples, and windows that leave nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from platformdirs import user_cache_path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "packaging")]

# Settings and data are empty for every test. Caches are shared by the run: they decide only how long it takes.
PER_TEST = {
    "SURGITWIN_CONFIG_DIR": "config",
    "SURGITWIN_DATA_DIR": "data",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
}
PER_RUN = ("SURGITWIN_CACHE_DIR", "XDG_CACHE_HOME")
COMPILED = user_cache_path("surgitwin", appauthor=False) / "compiled"  # before any test changes where that is

# Deadlines measure the machine and not the code; examples that differ from run to run belong on a developer's machine.
_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("dev", deadline=None, suppress_health_check=_QUIET)
settings.register_profile("ci", deadline=None, suppress_health_check=_QUIET, derandomize=True, database=None)
settings.register_profile("thorough", deadline=None, suppress_health_check=_QUIET, max_examples=2000)

_DISPLAY = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose how random examples are drawn, and settle what pytest must be strict about."""
    chosen = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
    settings.load_profile(chosen)
    os.environ.setdefault("QT_API", "pyside6")
    os.environ["PYTEST_QT_API"] = "pyside6"
    # What is raised in a thread, or while an object is deleted, would otherwise only be a line that nobody reads.
    for name in ("PytestUnhandledThreadExceptionWarning", "PytestUnraisableExceptionWarning"):
        config.addinivalue_line("filterwarnings", f"error::pytest.{name}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give window tests a display when the machine has none."""
    if config.option.collectonly or not any(is_window_test(item) for item in items):
        return
    if not sys.platform.startswith("linux") or "QT_QPA_PLATFORM" in os.environ:
        return
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    from devtools.console import Stop
    from devtools.display import virtual_display

    stack = ExitStack()
    try:
        os.environ.update(stack.enter_context(virtual_display()))
    except Stop as stop:
        raise pytest.UsageError(str(stop)) from stop
    config.stash[_DISPLAY] = stack


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the display that `pytest_collection_modifyitems` started."""
    stack = config.stash.get(_DISPLAY, None)
    if stack is not None:
        stack.close()


def is_window_test(item: pytest.Item) -> bool:
    """Return whether the test lies under tests/gui."""
    return item.path.is_relative_to(HERE / "gui")


@pytest.fixture(scope="session")
def cache_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's cache folder, with the loops that the set-up compiled: each process would compile them again."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    if COMPILED.is_dir():
        shutil.copytree(COMPILED, folder / "surgitwin" / COMPILED.name, dirs_exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def own_user_folders(
    cache_of_the_run: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Point settings, data and caches of this test, and of the processes it starts, at an empty folder.

    Returns
    -------
    Path
        The folder that holds them.
    """
    folder = tmp_path_factory.mktemp("user", numbered=True)
    for name, place in PER_TEST.items():
        monkeypatch.setenv(name, str(folder / place))
    for name in PER_RUN:
        monkeypatch.setenv(name, str(cache_of_the_run))
    return folder


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a window test that leaves threads, timers, windows or render windows behind: the next test pays for them."""
    if not is_window_test(request.node):
        yield
        return
    import hygiene

    before = hygiene.take_stock()
    yield
    left = hygiene.left_behind(before)
    if left:
        pytest.fail("The test left behind: " + "; ".join(left), pytrace=False)
