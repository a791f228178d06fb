"""Stores that are broken on purpose: the contract finds out each of them, and says how."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from parcae_adapters.memory import MemoryStore
from parcae_specs.contracts import Examples
from parcae_specs.contracts.broken.isolation import LostUpdate, SkipsLate, StaleRead, WriteSkew
from parcae_specs.contracts.broken.keeping import LastInFirstOut
from parcae_specs.contracts.broken.subjects import BROKEN, SOUND, Broken
from parcae_specs.contracts.examples import outcomes
from parcae_specs.linear.check import check
from parcae_specs.linear.history import Wrong
from parcae_specs.linear.record import record_here

PATIENCE = 1.5
"""Seconds: some of these never answer."""


@pytest.fixture
def _quiet_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    # Some of the broken stores raise in threads of the tests, as they should.
    monkeypatch.setattr(threading, "excepthook", lambda _: None)


@pytest.mark.usefixtures("_quiet_threads")
@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.subject.name.rpartition(":")[2])
def test_a_broken_store_fails_the_contract_at_the_test_that_names_its_fault(
    tmp_path: Path, broken: Broken
) -> None:
    found = outcomes(Examples, broken.subject, tmp_path, PATIENCE, broken.fails)
    assert broken.says in str(found[min(found)])


def test_a_sound_store_that_is_made_in_the_same_way_passes(tmp_path: Path) -> None:
    found = outcomes(Examples, SOUND, tmp_path, 30.0)
    assert {name: error for name, error in found.items() if error is not None} == {}
    assert len(found) > 50


@pytest.mark.parametrize(
    ("kind", "guarantee"),
    [
        pytest.param(LostUpdate, "S16", id="lost updates"),
        pytest.param(SkipsLate, "S16", id="a log that is followed with holes"),
        pytest.param(StaleRead, "S26", id="reads that lag behind"),
        pytest.param(WriteSkew, "S26", id="decisions on an old snapshot"),
        pytest.param(LastInFirstOut, "S26", id="claims out of turn"),
    ],
)
def test_the_history_of_a_broken_store_is_rejected(
    tmp_path: Path, kind: type[MemoryStore], guarantee: str
) -> None:
    with pytest.raises(Wrong) as caught:
        check(asyncio.run(record_here([kind()], tmp_path, calls=800, seed=1)))
    assert caught.value.guarantee == guarantee, caught.value


PLUGIN = "parcae_specs.plugin"
LEFT_OUT = "not every_command and not reference and not clients"

SKEWED = (
    # A child that is submitted while its parents end: each reads what the other writes.
    "s8_two_parents_that_end_at_once_never_leave_their_child_pending",
    "s26_of_two_that_each_depend_on_what_the_other_writes",
)
MINE = """
from parcae_specs.contracts.broken.isolation import WriteSkew

def make(folder, clock, entropy):
    return WriteSkew(clock=clock, entropy=entropy)

make.capabilities = ["clock", "entropy"]
"""


def test_with_the_plugin_a_store_is_held_to_the_contract_without_any_test_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "mystore.py").write_text(MINE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    if not any(one.value == PLUGIN for one in entry_points(group="pytest11")):
        # Where the distribution is not installed, nobody has told pytest of it.
        command += ["-p", PLUGIN]
    command += ["--parcae-store", "mystore:make", "-q", "-k", LEFT_OUT]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    failed = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == len(SKEWED), run.stdout
    for name, line in zip(SKEWED, failed, strict=True):
        assert name in line
    assert "not held to, for it was not declared" in run.stdout
    assert "shared" in run.stdout
