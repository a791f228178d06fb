"""Every planted bug is found, by the guarantee it names; and the shortest schedule is a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parcae_specs.bugs.bug import Bug, Caught, hunt
from parcae_specs.bugs.guards import GUARDS
from parcae_specs.bugs.known import KNOWN
from parcae_specs.bugs.plant import Change, Stale, planted
from parcae_specs.explorer.render import from_json, mermaid, pytest_file, timeline, to_json
from parcae_specs.explorer.run import Run

BUGS = {bug.name: bug for bug in (*KNOWN, *GUARDS)}
PAGE = Path(__file__).parent.parent / "specs" / "known-bugs.md"

_CAUGHT: dict[str, Caught] = {}


def caught(name: str) -> Caught:
    """How a bug was found; it is looked for once."""
    if name not in _CAUGHT:
        _CAUGHT[name] = hunt(BUGS[name])
    return _CAUGHT[name]


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_by_the_guarantee_it_names_and_by_no_other(name: str) -> None:
    found = caught(name)
    assert found.guarantee == BUGS[name].guarantee, found.message


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if not bug.endless])
def test_its_shortest_schedule_fails_in_real_time_until_the_bug_is_mended(name: str) -> None:
    schedule = caught(name).schedule
    assert schedule is not None
    assert schedule.again, "it did not go wrong by real tokens and times"
    test = _generated(pytest_file(schedule))
    with planted(*BUGS[name].changes), pytest.raises(AssertionError):
        test()
    test()


@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if not bug.endless])
def test_its_schedule_is_replayed_from_json(name: str) -> None:
    bug, schedule = BUGS[name], caught(name).schedule
    assert schedule is not None
    again = from_json(to_json(schedule))
    assert again.acts == schedule.acts
    with planted(*bug.changes):
        assert not _played(again.jobs, again.acts).holds(bug.guarantee)
    assert _played(again.jobs, again.acts).holds(bug.guarantee)


def test_the_page_names_every_bug_with_its_steps() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, bug in BUGS.items():
        found = caught(name)
        assert f"| {name} |" in page
        assert f"| {bug.guarantee} | {found.steps} | {found.worlds:,} |" in page, name


def test_a_timeline_shows_only_what_changed_and_a_diagram_who_spoke() -> None:
    schedule = caught("a phase starts under an expired lease").schedule
    assert schedule is not None
    text = timeline(schedule)
    assert text.startswith("S24 does not hold: a phase began under a lease that has expired\n")
    assert "phase a: pending → running" in text
    assert text.count("status:") == 1
    diagram = mermaid(schedule)
    assert diagram.startswith("sequenceDiagram\n")
    assert "worker_1->>kernel: begins a" in diagram


def test_a_bug_whose_text_the_kernel_no_longer_has_is_refused() -> None:
    change = Change(module="parcae.decide.fence", function="holds", old="no such text", new="")
    with pytest.raises(Stale), planted(change):
        pass


def test_afterwards_the_kernel_is_as_it_was() -> None:
    from parcae.decide import fence

    before = fence.holds
    bug: Bug = BUGS["a repeated result is not known for one"]
    with planted(*bug.changes):
        assert fence.holds is not before
    assert fence.holds is before


def _generated(text: str) -> Callable[[], None]:
    made: dict[str, Callable[[], None]] = {}
    exec(compile(text, "<generated>", "exec"), made)
    return next(value for name, value in made.items() if name.startswith("test_"))


def _played(jobs: tuple, acts: tuple) -> Run:  # type: ignore[type-arg]
    run = Run(jobs)
    for act in acts:
        run.act(act)
    return run
