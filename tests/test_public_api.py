"""What applications may import: a change here changes the promise, and goes into CHANGELOG."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import parcae

PUBLIC = """
Accepted Admitted After CancelAnswer CancelOutcome Cause Conflict Context Corrupt Dependency
DependencyPolicy Engine Error GiveUp Granted Graph Group GroupAdmitted GroupHandle GroupId
GroupOutcome Handle Isolation Job JobId Jobs LeaseLost Lost Missed Moves OnLost Options Outcome
ParcaeError Phase Query Queue Rate Reason Reconciled Rejected Report Request Retry RetryMode Saga
Schedule SchedulerEngine Shape Spec Status Stopped Superseded Task Timing Token Unavailable Unique
Until fsck hours minutes seconds
""".split()


def test_given_the_package_then_its_public_names_are_exactly_these() -> None:
    assert sorted(parcae.__all__) == sorted(PUBLIC)
    assert all(hasattr(parcae, name) for name in parcae.__all__)


def test_given_every_public_class_then_it_says_what_it_is() -> None:
    undocumented = [
        name
        for name in parcae.__all__
        if isinstance(found := getattr(parcae, name), type) and not found.__doc__
    ]
    assert undocumented == []


def test_given_the_base_install_when_the_kernel_is_imported_then_nothing_of_the_world_is() -> None:
    """The kernel, and what it needs, load no driver, no event loop and no adapter."""
    roots = [str(Path(root).resolve()) for root in ("kernel",)]
    script = (
        f"import sys; sys.path[:0] = {roots!r}; import parcae; "
        "print(*(m for m in ('asyncio', 'sqlite3', 'click', 'rich', 'sqlite_utils', 'aiohttp', "
        "'parcae_adapters', 'parcae_specs') if m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert run.stdout.split() == []
