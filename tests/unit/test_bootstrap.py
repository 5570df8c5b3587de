"""The set-up and the test runner: what they say when something is wrong, and how results are added up."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from devtools import checks, environment, native
from devtools.console import ROOT, Stop, clean_env


def report(folder: Path, tests: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> Path:
    path = folder / "report.xml"
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    path.write_text(f"<testsuites><testsuite {counts}/></testsuites>", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: No matching distribution found for numpy==2.4.6",
            "cannot be reached",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))", "PIP_CERT"),
        ("Error: [Errno 13] Permission denied: '/somewhere/.venv'", "may not write"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one that"),
        ("ERROR: No matching distribution found for vtk==9.7.2", "no build of vtk==9.7.2"),
        ("something new", "something new"),
    ],
)
def test_a_failed_installation_is_explained_by_its_cause(output: str, words: str) -> None:
    assert words in str(environment.explained(output, "It did not work."))


def test_the_caller_s_python_settings_do_not_reach_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_USER"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "a mirror")

    env = clean_env()

    assert not [name for name, value in env.items() if value == "elsewhere"]
    assert env["PIP_INDEX_URL"] == "a mirror"


def test_every_lock_entry_is_exact_and_has_digests_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry and not entry.startswith("#")]

    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux leaves these libraries to the system")
def test_a_library_that_is_not_there_is_found_missing_and_one_that_is_there_is_not() -> None:
    there, absent = native.Native("libc.so.6", "libc6"), native.Native("libnone.so.9", "libnone9")
    program, module = native.Native("no-such-program", "none", "program"), native.Native("no_such", "none", "module")

    assert native.missing([there, absent, program, module], Path(sys.executable)) == [absent, program, module]


def test_the_results_of_a_run_are_read_from_its_report(tmp_path: Path) -> None:
    outcome = checks.read_report("unit", report(tmp_path, tests=10, failures=1, errors=1, skipped=2), 1, 3.0)

    assert (outcome.ok, outcome.passed, outcome.failed, outcome.skipped) == (False, 6, 2, 2)


@pytest.mark.parametrize(
    ("tests", "code", "words"),
    [(0, 5, "no test ran"), (0, 0, "no test ran"), (3, -11, "died (SIGSEGV)"), (3, 124, "took too long")],
)
def test_a_run_that_ran_nothing_or_died_has_failed(tmp_path: Path, tests: int, code: int, words: str) -> None:
    outcome = checks.read_report("gui", report(tmp_path, tests), code, 1.0)

    assert not outcome.ok
    assert outcome.words == words
    assert outcome.failed == 1


def test_a_run_without_a_report_has_failed(tmp_path: Path) -> None:
    outcome = checks.read_report("gui", tmp_path / "never-written.xml", 0, 1.0)

    assert not outcome.ok


def test_the_last_line_counts_every_test_and_every_failed_check(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        checks.Outcome("types", False, "failed (exit 1)", 1.0),
        checks.Outcome("unit", True, "ok", 1.0, passed=7, skipped=2),
        checks.Outcome("gui", False, "1 failed", 1.0, passed=3, failed=1),
    ]

    status = checks.summary(outcomes)

    assert status == 1
    assert capsys.readouterr().out.splitlines()[-1] == "10 passed, 2 failed, 2 skipped"


def test_a_step_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(Stop, match="no step named lnit; the steps are types, lint"):
        checks.chosen_steps(["lnit"])


def test_an_interpreter_older_than_any_supported_one_can_read_the_entry_file() -> None:
    source = (ROOT / "packaging" / "bootstrap.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 5))


def test_the_lock_holds_a_version_that_fits_for_every_requirement_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["build-system"]["requires"]
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE):
        locked.setdefault(name, set()).add(version)

    requirements = [Requirement(line) for line in wanted]
    unfit = [r for r in requirements if not any(map(r.specifier.contains, locked.get(canonicalize_name(r.name), ())))]

    assert unfit == [], "run `make lock` and commit requirements.lock"
