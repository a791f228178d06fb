"""The verbs one by one, in this process: what they say, and how words become values."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import frozen
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from parcae import CancelOutcome, Context, Engine, GiveUp, Jobs, Request, RetryMode, Status
from parcae.payloads import load
from parcae.phrases import span
from parcae.values import WorkerId
from parcae_adapters.cli.app import VERBS, parcae
from parcae_adapters.cli.codes import CANCEL, MEANING, Exit
from parcae_adapters.cli.options import Duration, When
from parcae_adapters.cli.output import STYLE, clean, cut_to
from parcae_adapters.cli.targets import request
from parcae_adapters.cli.words import CANCEL as CANCEL_WORDS
from parcae_adapters.sqlite import SqliteStore, submit_within
from parcae_adapters.worker import Worker


@frozen
class Order:
    sku: str
    count: int = 1


jobs = Jobs()
order = jobs.saga("fulfil", Order)


@order.phase
def reserve(ctx: Context, order: Order) -> str:  # noqa: ARG001
    return order.sku


@reserve.undo
def release(ctx: Context, order: Order, reserved: str | None) -> None:  # noqa: ARG001
    if order.sku == "stuck":
        raise GiveUp("cannot be released")


@order.phase
def charge(ctx: Context, order: Order) -> int:  # noqa: ARG001
    raise GiveUp("no money")


@jobs.job("greet")
def greet(ctx: Context, name: str, times: int = 1) -> str:  # noqa: ARG001
    return name * times


class Shop:
    """A database, and what is typed about it."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def __call__(self, *args: str) -> Result:
        result = CliRunner().invoke(parcae, [*args, "--db", str(self.database)])
        assert result.exit_code != Exit.INTERNAL, result.stderr
        return result

    def engine(self, use: Callable[[Engine], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SqliteStore(self.database, durability="normal")
            try:
                return await use(Engine(store))
            finally:
                await store.close()

        return asyncio.run(main())

    def submit(self, asked: Request[Any], **options: Any) -> str:
        async def submit(engine: Engine) -> str:
            return (await engine.submit(asked, **options)).job_id

        return str(self.engine(submit))

    def run(self, *ids: Any) -> None:
        async def run(engine: Engine) -> None:
            worker = Worker(engine, jobs, name="tested")
            working = asyncio.create_task(worker.run())
            for job_id in ids:
                await engine.wait(job_id, timedelta(seconds=20))
            worker.stop()
            await working

        self.engine(run)

    def claim(self) -> None:
        async def claim(engine: Engine) -> None:
            granted = await engine.claim(WorkerId("busy"), jobs.kinds, request="1", limit=9)
            for one in granted:
                phase = one.job.spec.phases[0].name
                await engine.start_phase(one.job.id, one.lease.token, phase)

        self.engine(claim)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "jobs.db")


def test_given_jobs_when_they_are_listed_then_filters_and_pages_hold(shop: Shop) -> None:
    ids = [shop.submit(greet("you"), key=f"k{i}") for i in range(3)]
    other = shop.submit(order(Order("A1")))

    def listed(*args: str) -> list[str]:
        return [job["id"] for job in json.loads(shop("list", "--json", *args).stdout)["jobs"]]

    assert sorted(listed()) == sorted([*ids, other])
    assert listed("--kind", "fulfil") == [other]
    assert listed("--kind", "fulfil", "--kind", "greet") == listed()
    assert listed("--status", "completed") == []
    assert listed("--queue", "elsewhere") == []
    page = json.loads(shop("list", "--limit", "3", "--json").stdout)
    assert page["total"] == 4
    assert [*listed("--limit", "3"), *listed("--cursor", page["cursor"])] == listed()
    assert "--cursor" in shop("list", "--limit", "3").stderr
    assert shop("list", "--status", "completed").stderr == "No such job.\n"


def test_given_jobs_then_a_stream_has_one_of_them_a_line(shop: Shop) -> None:
    ids = {shop.submit(greet("you")) for _ in range(3)}

    assert {json.loads(line)["id"] for line in shop("list", "--jsonl").stdout.splitlines()} == ids


def test_given_a_listed_job_then_its_record_has_these_fields(shop: Shop) -> None:
    shop.submit(greet("you"), key="tenant", priority=5)
    (job,) = json.loads(shop("list", "--json").stdout)["jobs"]

    assert {name: job[name] for name in ("kind", "status", "queue", "key", "priority")} == {
        "kind": "greet",
        "status": "scheduled",
        "queue": "default",
        "key": "tenant",
        "priority": 5,
    }
    assert set(job) == {
        *("id", "kind", "definition", "status", "cause", "reconciled", "queue", "key", "priority"),
        *("submitted_at", "ended_at", "attempts", "starts", "losses", "phase", "error"),
        *("freshness", "evidence"),
    }


def test_given_the_beginning_of_an_id_then_it_will_do_if_no_other_begins_so(shop: Shop) -> None:
    one = shop.submit(greet("you"))
    assert json.loads(shop("show", one[:6].upper(), "--json").stdout)["id"] == one

    other = shop.submit(greet("you"))
    common = next(one[:i] for i in range(len(one), 0, -1) if other.startswith(one[:i]))
    ambiguous = shop("show", common)
    assert ambiguous.exit_code == Exit.CONFLICT
    assert one in ambiguous.stderr
    assert other in ambiguous.stderr
    assert shop("show", one[:3]).exit_code == Exit.NOT_FOUND
    assert shop("show", "zzzz").exit_code == Exit.NOT_FOUND


def test_given_a_waiting_job_then_show_says_what_it_waits_for(shop: Shop) -> None:
    job_id = shop.submit(greet("you"))
    later = shop.submit(greet("you"), run_at=datetime.now(UTC) + timedelta(hours=3))

    assert "for a worker that runs greet from queue default" in shop("show", job_id).stdout
    assert "It waits for its time, in 3h." in shop("show", later).stdout


def test_given_a_job_at_work_then_show_says_who_holds_it(shop: Shop) -> None:
    job_id = shop.submit(greet("you"))
    shop.claim()

    shown = shop("show", job_id).stdout
    assert "At work on phase run. Worker busy has held it for" in shown
    assert "Worker busy claimed it with token 1." in shown
    lease = json.loads(shop("show", job_id, "--json").stdout)["lease"]
    assert (lease["worker"], lease["token"], lease["expired"]) == ("busy", 1, False)


def test_given_a_history_then_a_stream_has_one_event_a_line(shop: Shop) -> None:
    job_id = shop.submit(greet("you"))
    events = [json.loads(line) for line in shop("show", job_id, "--jsonl").stdout.splitlines()]

    assert [one["event"]["type"] for one in events] == ["submitted", "scheduled"]
    assert [one["version"] for one in events] == [1, 2]
    assert all(one["says"].endswith(".") for one in events)


def test_given_a_waiting_job_when_it_is_cancelled_then_it_is_and_the_second_time_it_was(
    shop: Shop,
) -> None:
    job_id = shop.submit(greet("you"))

    first = shop("cancel", job_id, "--by", "me", "--reason", "no use", "--json")
    assert first.exit_code == Exit.OK
    assert json.loads(first.stdout) == {
        "id": job_id,
        "outcome": "cancelled",
        "status": "cancelled",
        "cause": "cancelled by request",
    }
    again = shop("cancel", job_id)
    assert again.exit_code == Exit.CONFLICT
    assert "had already ended" in again.stdout
    shown = json.loads(shop("show", job_id, "--json").stdout)
    assert (shown["cancel"]["by"], shown["cancel"]["reason"]) == ("me", "no use")


def test_given_a_job_at_work_when_it_is_cancelled_then_it_is_asked_or_forced(shop: Shop) -> None:
    job_id = shop.submit(greet("you"))
    shop.claim()

    assert "was asked to stop" in shop("cancel", job_id).stdout
    assert "It was asked to stop." in shop("show", job_id).stdout
    forced = json.loads(shop("cancel", job_id, "--force", "--json").stdout)
    assert (forced["outcome"], forced["cause"]) == ("cancelled", "forced cancel")


def test_given_an_ended_job_when_it_is_retried_then_another_takes_it_up_once(shop: Shop) -> None:
    job_id = shop.submit(order(Order("stuck")))
    shop.run(job_id)
    assert json.loads(shop("show", job_id, "--json").stdout)["status"] == "quarantined"

    refused = shop("retry", job_id, "--mode", "undo", "--settled", "charge")
    assert refused.exit_code == Exit.CONFLICT
    taken = shop("retry", job_id, "--mode", "from_start", "--json")
    assert json.loads(taken.stdout)["origin"] == job_id
    first = shop("retry", job_id, "--mode", "undo", "--idempotency-key", "k")
    again = shop("retry", job_id, "--mode", "undo", "--idempotency-key", "k")
    assert (first.exit_code, first.stdout) == (again.exit_code, again.stdout) == (0, first.stdout)
    assert "admitted before" in again.stderr
    assert shop("retry", job_id).exit_code == Exit.CONFLICT
    assert job_id in shop("show", first.stdout.strip()).stdout


def test_given_quarantined_jobs_then_what_they_owe_and_who_took_them_up_is_listed(
    shop: Shop,
) -> None:
    shop.submit(greet("you"))
    assert "No job is quarantined." in shop("quarantine", "list").stderr
    job_id = shop.submit(order(Order("stuck")))
    shop.run(job_id)
    assert shop("quarantine", "list", "--kind", "greet", "--jsonl").stdout == ""
    (line,) = shop("quarantine", "list").stdout.splitlines()[1:]
    assert line.startswith(f"{job_id}  fulfil")
    assert line.split()[-2:] == ["reserve", "–"]
    undoes = shop("retry", job_id, "--mode", "undo").stdout.strip()
    document = json.loads(shop("quarantine", "list", "--json").stdout)
    (found,) = document["jobs"]
    assert (found["id"], found["taken_up_by"], document["total"]) == (job_id, undoes, 1)
    assert found["owed"] == [{"phase": "reserve", "unknown": False}]


def test_given_a_job_that_has_not_ended_when_it_is_retried_then_it_is_refused(shop: Shop) -> None:
    result = shop("retry", shop.submit(greet("you")))

    assert result.exit_code == Exit.CONFLICT
    assert "not ended" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def submit(shop: Shop, *args: str) -> Result:
    target = f"{__name__}:jobs"
    return shop("submit", target, *args)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module, as an application's."""
    import sys
    from types import ModuleType

    module = ModuleType(__name__)
    module.__dict__["jobs"] = jobs
    monkeypatch.setitem(sys.modules, __name__, module)


@pytest.mark.usefixtures("importable")
def test_given_a_key_when_a_job_is_submitted_twice_then_it_is_the_same_job(shop: Shop) -> None:
    first = submit(shop, "greet", "you", "times=2", "--idempotency-key", "k", "--priority", "7")
    again = submit(shop, "greet", "you", "times=2", "--idempotency-key", "k", "--json")
    other = submit(shop, "greet", "me", "--idempotency-key", "k")

    assert first.exit_code == Exit.OK, first.stderr
    assert json.loads(again.stdout) == {
        "id": first.stdout.strip(),
        "duplicate": True,
        "deleted": False,
    }
    assert other.exit_code == Exit.CONFLICT
    shown = json.loads(shop("show", first.stdout.strip(), "--json").stdout)
    assert shown["priority"] == 7


@pytest.mark.usefixtures("importable")
def test_given_a_time_when_a_job_is_submitted_then_it_waits_until_then(shop: Shop) -> None:
    result = submit(shop, "greet", "you", "--run-at", "2200-01-01T00:00:00+02:00", "--key", "k")

    shown = json.loads(shop("show", result.stdout.strip(), "--json").stdout)
    assert shown["run_at"] == "2199-12-31T22:00:00.000000Z"
    assert shown["key"] == "k"


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize(
    "args",
    [
        ("unknown",),
        ("greet",),
        ("greet", "you", "many"),
        ("greet", "you", "2", "3"),
        ("greet", "you", "name=me"),
        ("fulfil", "17"),
        ("fulfil", '{"sku": "A1", "cuont": 2}'),
        ("fulfil", '{"count": 2}'),
        ("greet", "you", "--run-at", "2200-01-01T00:00:00"),
        ("greet", "you", "--run-at", "tomorrow"),
        ("greet", "you", "--priority", "9999999"),
        ("greet", "you", "--key", "\x1b"),
        ("greet", "you", "--idempotency-key", ""),
        ("greet", "x" * 2_000_000),
    ],
)
def test_given_arguments_that_do_not_fit_then_nothing_is_submitted(
    shop: Shop, args: tuple[str, ...]
) -> None:
    result = submit(shop, *args)

    assert result.exit_code == Exit.USAGE
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stderr) < 1_000


@pytest.mark.parametrize(
    "target", ["nowhere:jobs", "json", "json:jobs", "json:dumps", ":", "json:"]
)
def test_given_no_definitions_there_then_it_says_so(shop: Shop, target: str) -> None:
    for result in (shop("submit", target, "kind"), shop("worker", target)):
        assert result.exit_code == Exit.USAGE
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (("you",), {"name": "you", "times": 1}),
        (("007", "3"), {"name": "007", "times": 3}),
        (("name=a=b", "times=3"), {"name": "a=b", "times": 3}),
        (("a=b",), {"name": "a=b", "times": 1}),
    ],
)
def test_given_words_then_they_become_arguments(
    words: tuple[str, ...], arguments: dict[str, object]
) -> None:
    assert load(request(jobs, "greet", words).payload) == arguments


def test_given_json_for_a_class_then_it_is_kept_as_the_class_says() -> None:
    payload = load(request(jobs, "fulfil", ['{"sku": 1}']).payload)

    assert payload == {"order": {"sku": "1", "count": 1}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7_200), ("1d", 86_400), ("250ms", 0.25)],
)
def test_given_words_for_a_duration_then_it_is_that_long(text: str, expected: float) -> None:
    assert Duration().convert(text, None, None) == timedelta(seconds=expected)


@given(st.text(max_size=20))
def test_given_any_text_for_a_duration_or_instant_then_it_is_one_or_is_refused(text: str) -> None:
    for kind in (Duration(), When()):
        try:
            found = kind.convert(text, None, None)
        except click.BadParameter:
            continue
        assert isinstance(found, timedelta | datetime)


@given(st.text())
def test_given_any_text_then_what_is_shown_of_it_is_one_harmless_line(text: str) -> None:
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)
    assert len(cut_to(text, 10)) <= 10


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4_000)))
def test_given_any_duration_then_it_is_said_in_one_unit(duration: timedelta) -> None:
    assert len(span(duration)) <= 5


def test_every_outcome_status_and_code_has_its_word() -> None:
    assert {*CANCEL} == {*CANCEL_WORDS} == {*CancelOutcome}
    assert {*STYLE} == {*Status}
    assert {*MEANING} == {*Exit}


def test_the_help_names_every_code_and_an_environment_twin_for_every_option() -> None:
    runner = CliRunner()
    text = " ".join(runner.invoke(parcae, ["--help"]).stdout.split())
    for code, meaning in MEANING.items():
        assert f"{code.value} {meaning}" in text
    for verb in VERBS:
        command = parcae.get_command(click.Context(parcae), verb)
        assert command is not None
        shown = " ".join(runner.invoke(parcae, [verb, "--help"]).stdout.split())
        assert command.get_short_help_str(60).endswith(".")
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert shown.count("env var:") == len(options)


def test_given_no_verb_or_an_unknown_one_then_it_is_wrong_usage() -> None:
    assert CliRunner().invoke(parcae, []).exit_code == Exit.USAGE
    unknown = CliRunner().invoke(parcae, ["lst"])
    assert unknown.exit_code == Exit.USAGE
    assert unknown.stderr == "parcae: No such command 'lst'. Try: parcae --help\n"


def test_given_a_verb_of_another_package_then_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def check() -> None:
        """Check everything."""
        click.echo("checked")

    class Plugin:
        name = "check"

        def load(self) -> click.Command:
            return check

    monkeypatch.setattr("parcae_adapters.cli.app._plugins", lambda: (Plugin(),))

    assert "check " in CliRunner().invoke(parcae, ["--help"]).stdout
    assert CliRunner().invoke(parcae, ["check"]).stdout == "checked\n"


def test_the_modes_of_a_retry_are_those_of_the_kernel() -> None:
    shown = CliRunner().invoke(parcae, ["retry", "--help"]).stdout

    assert all(mode in shown for mode in RetryMode)


@pytest.mark.parametrize("verb", ["show", "why", "cancel"])
def test_a_job_that_a_host_has_committed_is_there_for_whoever_names_it(
    shop: Shop, verb: str
) -> None:
    shop.engine(lambda engine: engine.submit(greet("Ann")))
    with contextlib.closing(sqlite3.connect(shop.database)) as host, host:
        name = submit_within(host, greet("Bob"))
    assert shop(verb, name).exit_code == Exit.OK


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "x" * 100_000), "(cut)"),
        (("metrics", "--after", str(2**63)), "not in the range"),
        (("metrics", "--once", "--textfile", "parcae.txt"), "does not end with .prom"),
        (("metrics", "--once", "--textfile", "nowhere/parcae.prom"), "no folder 'nowhere'"),
        (("retain", "--completed", "999999d", "--dry-run"), "expected completed between"),
        (("deploy", "../shop:jobs"), "not of the form module:jobs"),
        (("deploy", "broken:jobs"), "'broken' cannot be imported: ZeroDivisionError"),
    ],
)
def test_what_nobody_can_mean_is_told_in_one_short_line_and_is_no_fault_of_ours(
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    shop.engine(lambda engine: engine.submit(greet("ann")))
    result = shop(*words)
    assert result.exit_code in (Exit.USAGE, Exit.NOT_FOUND), result.stderr
    assert said in result.stderr
    assert len(result.stderr) < 1_500


def test_an_instant_beyond_any_calendar_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="later than any calendar"):
        When().convert("+99999999d", None, None)
