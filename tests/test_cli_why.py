"""The verbs of three in the morning: why, validate, retain, hold and release."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given as for_all

from parcae import Context, Engine, GiveUp, Jobs, Retry, Timing, hours, minutes, seconds
from parcae.freshness import Freshness
from parcae.values import WorkerId
from parcae.why import Surroundings, why
from parcae.workers import Presence
from parcae_adapters.cli.app import VERBS, parcae
from parcae_adapters.cli.codes import Exit
from parcae_adapters.cli.output import FRESHNESS
from parcae_adapters.clock import ManualClock
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.testing import run_until_idle
from parcae_specs.story import Story, at
from parcae_specs.strategies import stories

jobs = Jobs()


@jobs.job("greet", retry=Retry(max_attempts=1))
def greet(ctx: Context, name: str) -> str:  # noqa: ARG001
    if name == "nobody":
        raise GiveUp("card 4711")
    return name


class Office:
    """A database whose jobs are long ended, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(self.database, clock=ManualClock(at(0)), durability="normal")
            async with Engine(store) as engine:
                return await use(engine)

        return asyncio.run(main())

    def ended(self, *names: str) -> list[str]:
        async def run(engine: Engine) -> list[str]:
            ids = [(await engine.submit(greet(name))).job_id for name in names]
            await run_until_idle(engine, jobs)
            return [str(one) for one in ids]

        found: list[str] = self.engine(run)
        return found

    def waiting(self, *, claim: bool = False) -> str:
        async def run(engine: Engine) -> str:
            job_id = (await engine.submit(greet("ann"))).job_id
            if claim:
                (granted,) = await engine.claim(WorkerId("bob"), jobs.kinds, request="1")
                await engine.start_phase(job_id, granted.lease.token, "run")
            return job_id

        return str(self.engine(run))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "jobs.db")


def test_given_a_failed_job_when_asked_why_then_no_error_text_is_said_unless_wanted(
    office: Office,
) -> None:
    (job_id,) = office.ended("nobody")
    plain = office("why", job_id[:30])
    assert plain.exit_code == Exit.OK
    assert f"Job {job_id}: failed, settled" in plain.stdout
    assert "failed with parcae.context.GiveUp in phase run" in plain.stdout
    assert f"parcae retry {job_id} --mode resume" in plain.stdout
    assert "4711" not in plain.stdout
    more = office("why", job_id, "--diagnostics").stdout
    assert "Error of attempt 1, in phase run" in more
    assert "card 4711" in more
    assert "Traceback" in more
    assert '{"name": "<text of 6>"}' in more


def test_given_a_job_when_asked_why_as_json_then_its_record_has_these_fields(
    office: Office,
) -> None:
    (job_id,) = office.ended("nobody")
    said = office.json("why", job_id)
    assert set(said) == {
        *("id", "status", "since", "freshness", "evidence", "state", "waits", "past", "doubts"),
        *("next", "remedies"),
    }
    assert said["freshness"] == "settled"
    assert said["next"] == "Nothing: the outcome never changes."
    more = office.json("why", job_id, "--diagnostics")["diagnostics"]
    assert more["errors"][0]["message"] == "card 4711"


def test_given_no_such_job_when_asked_why_then_it_is_not_found(office: Office) -> None:
    office.ended("ann")
    assert office("why", "nothing-like-it").exit_code == Exit.NOT_FOUND


def test_given_a_silent_worker_then_list_show_and_why_agree_that_it_is_stale(
    office: Office,
) -> None:
    job_id = office.waiting(claim=True)
    assert [one["freshness"] for one in office.json("list")["jobs"]] == ["stale"]
    assert office.json("show", job_id)["freshness"] == "stale"
    assert office.json("why", job_id)["freshness"] == "stale"
    evidence = office.json("show", job_id)["evidence"]
    assert evidence["due"] == "lease"
    assert evidence["heard_at"] == "2026-01-01T00:00:00.000000Z"
    assert "stale" in office("list").stdout
    assert f"Job {job_id}: running, stale" in office("show", job_id).stdout
    assert "both look alike" in office("why", job_id).stdout


def test_given_a_job_that_nobody_took_then_it_is_late_if_somebody_could_have(
    office: Office,
) -> None:
    office.waiting()
    assert [one["freshness"] for one in office.json("list")["jobs"]] == ["unknown"]
    # By the clock of this machine, which is the one that the command line looks at.
    now = datetime.now(UTC)
    there = Presence(
        id=WorkerId("ida"), kinds=("greet",), started_at=now, heard_at=now, until=now + hours(1)
    )
    office.engine(lambda engine: engine.enlist(there))
    assert [one["freshness"] for one in office.json("list")["jobs"]] == ["late"]


def test_every_word_has_its_colour() -> None:
    assert list(FRESHNESS) == list(Freshness)


@for_all(stories())
def test_every_command_that_helps_is_one(story: Story) -> None:
    if story.stored is None:
        return
    around = Surroundings(history=tuple(story.history))
    for later in (0, 40, 2_000):
        said = why(story.job, story.stored.liveness, story.now + seconds(later), around)
        for one in said.remedies:
            words = one.command.split()
            assert words[0] == "parcae"
            assert words[1] in VERBS
            verb = parcae.get_command(click.Context(parcae), words[1])
            assert verb is not None
            if words[1] not in ("worker", "group", "queue"):
                verb.make_context(words[1], words[2:])


def typed(monkeypatch: pytest.MonkeyPatch, *args: str, **kinds: dict[str, Any]) -> Result:
    """What ``validate`` says of these kinds."""
    module, found = types.ModuleType("validated"), Jobs()
    for kind, options in kinds.items():
        found.job(kind, **options)(greet.run.handler)
    module.__dict__["jobs"] = found
    monkeypatch.setitem(sys.modules, "validated", module)
    return CliRunner().invoke(parcae, ["validate", "validated:jobs", *args])


def test_given_the_defaults_then_validate_has_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    result = typed(monkeypatch, plain={})
    assert (result.exit_code, result.stdout) == (
        Exit.OK,
        "1 definition: all durations fit together\n",
    )


def test_given_durations_that_do_not_fit_then_each_is_named_and_the_code_is_8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tight = {"timing": Timing(attempt=minutes(1)), "expected": minutes(2)}
    result = typed(monkeypatch, "--json", tight=tight, well={})
    assert result.exit_code == Exit.UNHEALTHY
    said = json.loads(result.stdout)
    assert (said["ok"], said["kinds"], said["stop"]) == (False, ["tight", "well"], None)
    (finding,) = said["findings"]
    assert (finding["kind"], finding["rule"], finding["error"]) == ("tight", "expected", True)
    assert finding["fix"] == "attempt=0:02:01"
    assert "0:02:00" in finding["message"]
    assert "0:01:00" in finding["message"]
    text = typed(monkeypatch, tight=tight)
    assert text.stdout.startswith("error: tight: an attempt is expected to take 0:02:00")


def test_given_a_unit_then_the_wait_for_a_stop_is_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unit = tmp_path / "worker.service"
    unit.write_text("[Service]\nTimeoutStopSec=60\n", encoding="utf-8")
    kind = {"timing": Timing(attempt=minutes(1))}
    warned = typed(monkeypatch, "--stop-config", str(unit), slow=kind)
    assert warned.exit_code == Exit.OK
    assert "worker.service is given 0:01:00 to stop." in warned.stdout
    assert "warning: slow: a worker is killed 0:01:00 after" in warned.stdout
    wrong = typed(monkeypatch, "--stop-config", str(unit), slow={**kind, "uninterruptible": True})
    assert wrong.exit_code == Exit.UNHEALTHY
    assert "Mend it by stop=0:01:11 or attempt=0:00:49." in wrong.stdout
    assert typed(monkeypatch, "--stop", "71s", slow=kind).stdout.count("warning") == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--stop", "5s", "--stop-config", "UNIT"), "say the same thing"),
        (("--stop-config", "NONE"), "does not exist"),
        (("--stop-config", "UNIT", "--service", "other"), "there is no service 'other' there"),
    ],
)
def test_given_a_wrong_call_of_validate_then_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    unit = tmp_path / "worker.service"
    unit.write_text("[Service]\n", encoding="utf-8")
    names = {"UNIT": str(unit), "NONE": str(tmp_path / "none")}
    result = typed(monkeypatch, *(names.get(one, one) for one in args), plain={})
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_given_yaml_without_its_library_then_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack = tmp_path / "stack.yaml"
    stack.write_text("services: {}\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "yaml", None)
    result = typed(monkeypatch, "--stop-config", str(stack), plain={})
    assert result.exit_code == Exit.INTERNAL
    assert result.stderr == "parcae: yaml is not installed; try: pip install 'parcae[yaml]'\n"


def test_given_old_jobs_when_retained_then_a_dry_run_lists_what_would_go(office: Office) -> None:
    good, bad = office.ended("ann", "nobody")
    told = office("retain", "--completed", "30d", "--dry-run")
    assert told.exit_code == Exit.OK
    assert good in told.stdout
    assert bad not in told.stdout
    assert "1 job would be deleted, 0 kept though old." in told.stderr
    assert len(office.json("list")["jobs"]) == 2
    said = office.json("retain", "--completed", "30d", "--failed", "30d", "--yes", "--batch", "1")
    assert {one["id"] for one in said["deleted"]} == {good, bad}
    assert office.json("list")["jobs"] == []


def test_given_a_hold_when_retained_then_the_job_is_kept_and_the_reason_told(
    office: Office,
) -> None:
    (job_id,) = office.ended("ann")
    held = office.json("hold", job_id, "--by", "legal", "--reason", "case 7")
    assert held == {"id": job_id, "held": True}
    said = office("retain", "--completed", "1d", "--yes")
    assert "kept: it is under a legal hold (legal: case 7)" in said.stdout
    assert "0 jobs deleted, 1 kept though old." in said.stderr
    assert "A legal hold keeps retention from it." in office("why", job_id).stdout
    assert "is under no hold" in office("release", job_id).stdout
    lines = office("retain", "--completed", "1d", "--yes", "--jsonl").stdout.splitlines()
    assert [json.loads(one)["deleted"] for one in lines] == [True]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Say which outcomes to delete"),
        (("--completed", "1d"), "say --yes, or look with --dry-run"),
    ],
)
def test_given_a_wrong_call_of_retain_then_nothing_is_deleted(
    office: Office, args: tuple[str, ...], said: str
) -> None:
    office.ended("ann")
    result = office("retain", *args)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr
    assert len(office.json("list")["jobs"]) == 1


def test_given_hold_and_release_without_json_then_they_say_what_they_did(office: Office) -> None:
    (job_id,) = office.ended("ann")
    assert office("hold", job_id).stdout == f"Job {job_id} is kept until its hold is lifted.\n"
    assert office.json("release", job_id) == {"id": job_id, "held": False}
    assert office("hold", "nothing-like-it").exit_code == Exit.NOT_FOUND


def test_given_a_short_patience_then_a_job_kept_for_that_long_is_old(office: Office) -> None:
    office.ended("ann")
    assert len(office.json("retain", "--completed", "0s", "--dry-run")["deleted"]) == 1
    assert timedelta(0) == seconds(0)
