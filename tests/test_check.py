"""``parcae check``: an application's own sagas are walked, and what is wrong is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from parcae import Context, Job, Jobs, Retry, Status, Timing, minutes, seconds
from parcae.values import Cause
from parcae_specs.bugs.plant import Change, planted
from parcae_specs.check import check, command
from parcae_specs.explorer.users import examine, small, spec_of

jobs = Jobs()
order = jobs.saga("order", retry=Retry(max_attempts=2), timing=Timing(attempt=minutes(5)))


@order.phase
async def reserve(ctx: Context, item: str) -> int:
    """Take it off the shelf."""
    raise NotImplementedError


@reserve.undo
async def release(ctx: Context, item: str, reserved: int) -> None:
    """Put it back."""
    raise NotImplementedError


@order.phase
async def ship(ctx: Context, item: str) -> None:
    """Send it."""
    raise NotImplementedError


plain = Jobs()


@plain.job("resize", retry=Retry(max_attempts=1))
def resize(ctx: Context, item: str) -> None:
    """A plain job."""
    raise NotImplementedError


def run(*words: str) -> Result:
    """The verb, as from a shell."""
    return CliRunner().invoke(command, ["test_check:jobs", *words], standalone_mode=False)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "test_check", sys.modules[__name__])


def kept(job: Job) -> bool:
    """A property of this application: nothing is ever quarantined but for an unknown outcome."""
    state = job.state
    return job.status is not Status.QUARANTINED or getattr(state, "cause", None) is Cause.POISON


def test_a_saga_is_proved_to_end_with_nothing_left_undone() -> None:
    """L1, S13: for all that its handlers may do."""
    result = run("--bound")
    assert result.return_value == 0, result.output
    assert "left out:" in result.output
    assert "worlds (all of them)" in result.output
    assert "order: good" in result.output
    assert "every job ends" in result.output
    assert "made smaller: tries to undo reserve: 2 instead of 10" in result.output


def test_an_end_that_may_never_be_comes_with_the_shortest_schedule_to_it() -> None:
    result = run("--never", "quarantined")
    assert result.return_value == 8
    assert "no job ends quarantined" in result.output
    assert "may have happened" in result.output


def test_a_property_of_its_own_is_put_to_every_state() -> None:
    result = run("--property", "test_check:kept", "--form", "pytest")
    assert result.return_value == 8
    assert "from test_check import kept as holds" in result.output


def test_what_cannot_be_imported_is_wrong_usage() -> None:
    for target in ("no.such:jobs", "test_check:nobody", "jobs", "test_check:order"):
        result = CliRunner().invoke(command, [target])
        assert result.exit_code == 2, target


def test_in_a_test_it_fails_with_the_schedule() -> None:
    assert set(check(plain)) == {"resize"}
    with pytest.raises(AssertionError, match="reconciler looks at it"):
        check(jobs, kept=kept)


def test_a_kernel_that_forgets_an_undo_is_found_out_by_the_users_own_saga() -> None:
    """S13: what is checked is the kernel that runs, not a model of it."""
    forgets = Change(
        module="parcae.compensation",
        function="plan",
        old="return Plan(tuple(owed), possible)",
        new="return Plan((), possible)",
    )
    with planted(forgets):
        verdict = next(examine(jobs))
    assert not verdict.good
    assert {one.violation.guarantee for one in verdict.found if one.violation} == {"S13"}


def test_what_is_large_is_cut_and_every_cut_is_told() -> None:
    spec, cut = small(spec_of(order))
    assert spec.phases[0].undo is not None
    assert spec.phases[0].undo.retry.max_attempts == 2
    assert spec.timing.lease == minutes(2.5)
    assert spec.timing.attempt == minutes(5)
    assert spec.timing.cancel_grace == seconds(30)
    assert len(cut) == 2


def test_the_fixture_is_there_for_the_tests_of_an_application(tmp_path: Path) -> None:
    from parcae_specs.explorer import fixture

    assert fixture.__doc__ is not None
    assert hasattr(fixture, "parcae_check")
    assert not tmp_path.joinpath("nothing").exists()
