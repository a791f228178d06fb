"""Schedules: each tick at most one job, whatever clocks, pauses and schedulers do (S17)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from attrs import evolve as replace
from hypothesis import given
from hypothesis import strategies as st

from parcae import (
    Context,
    Corrupt,
    Engine,
    Jobs,
    Query,
    Reason,
    Rejected,
    Request,
    Status,
    Timing,
    fsck,
)
from parcae.change import Change, View
from parcae.scheduler_engine import SchedulerEngine
from parcae.schedules import (
    COUNTED,
    MAX_PAYLOAD,
    Missed,
    Plan,
    Schedule,
    ScheduleFired,
    SchedulePaused,
    ScheduleRemoved,
    ScheduleSet,
    evolve,
    fold,
    schedule_stream,
)
from parcae.spec import Unique
from parcae.telling import tell_aggregate
from parcae.ticking import AGAIN, Fired, fire
from parcae.values import Instant, Place, hours, minutes, seconds
from parcae_adapters.clock import EPOCH, ManualClock
from parcae_adapters.cron import CronCalendar
from parcae_adapters.memory import MemoryStore

T = TypeVar("T")

jobs = Jobs()


@jobs.job("report")
def report(ctx: Context, of: str = "") -> str:  # noqa: ARG001
    return of


class Stage:
    """A store whose clock is moved by hand, and schedulers on it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        self.engine = Engine(self.store)
        self.one = SchedulerEngine(self.store, CronCalendar())
        self.other = SchedulerEngine(self.store, CronCalendar())

    async def set(self, cron: str = "0 * * * *", name: str = "hourly", **options: Any) -> Schedule:
        request = options.pop("request", report("all"))
        return await self.one.schedule(name, request, cron, **options)

    async def after(self, by: timedelta) -> tuple[Fired, ...]:
        self.clock.advance(by)
        return tuple(await self.one.fire())

    async def ticks(self) -> list[Instant]:
        """The ticks of all jobs there are, in their order."""
        page = await self.store.find(Query(limit=1_000))
        found = [one.job.spec.run_at for one in page.jobs]
        return sorted(at for at in found if at is not None)

    async def now(self, name: str = "hourly") -> Schedule:
        found = await self.store.aggregate(schedule_stream(name))
        assert isinstance(found, Schedule)
        return found

    async def sound(self) -> None:
        checked = await fsck(self.store)
        assert checked.findings == ()
        for name in ("hourly", "other"):
            stream = schedule_stream(name)
            events = [one.event for one in await self.store.record(stream)]
            assert fold(name, events) == await self.store.aggregate(stream)  # type: ignore[arg-type]


def play(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scene)


def at(hour: float) -> Instant:
    return EPOCH + hours(hour)


def test_given_a_schedule_when_its_tick_comes_then_one_job_is_admitted_that_knows_its_tick() -> (
    None
):
    async def scene() -> None:
        stage = Stage()
        schedule = await stage.set()
        assert (schedule.next_at, schedule.version) == (at(1), 1)
        assert await stage.after(minutes(59)) == ()
        (fired,) = await stage.after(minutes(1))
        assert (fired.ticks, fired.skipped, fired.next_at) == ((at(1),), 0, at(2))
        stored = await stage.store.fetch(fired.jobs[0])
        assert stored is not None
        assert (stored.job.spec.run_at, stored.job.status) == (at(1), Status.SCHEDULED)
        payload = await stage.store.blobs(fired.jobs[0], ("payload",))
        assert payload == {"payload": report("all").payload}
        assert await stage.one.fire() == await stage.other.fire() == ()
        await stage.sound()

    play(scene())


def test_given_many_schedulers_at_once_then_each_tick_gets_one_job() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.set("* * * * *")
        await stage.set("*/2 * * * *", "other")
        for _ in range(10):
            stage.clock.advance(minutes(1))
            await asyncio.gather(*(one.fire() for one in (stage.one, stage.other) * 5))
        names = [(minute, 2 - minute % 2) for minute in range(1, 11)]
        expected = [EPOCH + minutes(minute) for minute, times in names for _ in range(times)]
        assert await stage.ticks() == expected
        await stage.sound()

    play(scene())


@pytest.mark.parametrize(
    ("missed", "options", "late", "ticks", "skipped"),
    [
        ("skip", {}, 0, [5], 4),
        ("skip", {}, 1, [5], 4),
        ("skip", {}, 2, [], 5),
        ("skip", {"grace": minutes(2)}, 2, [5], 4),
        ("once", {}, 2, [5], 4),
        ("once", {"at_most": 3}, 2, [5], 4),
        ("all", {}, 2, [1, 2, 3, 4, 5], 0),
        ("all", {"at_most": 3}, 2, [3, 4, 5], 2),
        ("all", {"at_most": 1}, 2, [5], 4),
    ],
)
def test_given_missed_ticks_then_the_policy_says_which_of_them_get_a_job(
    missed: str, options: dict[str, Any], late: int, ticks: list[int], skipped: int
) -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.set(missed=missed, **options)
        (fired,) = await stage.after(hours(5) + minutes(late))
        assert fired.ticks == tuple(map(at, ticks))
        assert len(set(fired.jobs)) == len(ticks)
        assert (fired.skipped, fired.next_at) == (skipped, at(6))
        assert await stage.ticks() == list(map(at, ticks))
        (fired,) = await stage.after(hours(1) - minutes(late))
        assert (fired.ticks, fired.skipped) == ((at(6),), 0)
        schedule = await stage.now()
        assert (schedule.fired, schedule.last_at) == (len(ticks) + 1, at(6))
        await stage.sound()

    play(scene())


class Counting(CronCalendar):
    """How often it was asked."""

    asked = 0

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        self.asked += 1
        return super().upto(cron, zone, instant)


@pytest.mark.parametrize(("missed", "made"), [("skip", 1), ("once", 1), ("all", 3)])
def test_given_ten_years_of_missed_minutes_then_few_of_them_are_looked_at(
    missed: str, made: int
) -> None:
    async def scene() -> None:
        stage, calendar = Stage(), Counting()
        scheduler = SchedulerEngine(stage.store, calendar)
        await stage.set("* * * * *", missed=missed, at_most=3)
        stage.clock.advance(timedelta(days=3_650))
        (fired,) = await scheduler.fire()
        assert len(fired.jobs) == made
        assert fired.skipped == COUNTED
        assert calendar.asked <= COUNTED + made + 1
        *_, last = await stage.store.record(schedule_stream("hourly"))
        assert "100 or more missed ticks" in tell_aggregate(last.event)

    play(scene())


def test_given_a_clock_that_goes_back_then_no_tick_comes_again_and_none_moves_back() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.set()
        await stage.after(hours(3))
        before = await stage.now()
        for name, request in (("again", report("all")), ("else", report("else"))):
            stage.clock.set(at(0.5) if name == "again" else at(0.7))
            await stage.set(request=request)
            assert (await stage.now()).next_at == before.next_at == at(4)
            assert await stage.one.fire() == ()
        await stage.one.pause_schedule("hourly")
        assert (await stage.one.resume_schedule("hourly")).next_at == at(4)
        await stage.one.remove_schedule("hourly")
        assert (await stage.set()).next_at == at(4)
        stage.clock.set(at(2))
        assert await stage.one.fire() == ()
        stage.clock.set(at(4))
        assert [one.ticks for one in await stage.one.fire()] == [(at(4),)]
        assert await stage.ticks() == [at(3), at(4)]
        await stage.sound()

    play(scene())


def test_given_a_pause_then_its_ticks_get_no_job_not_even_afterwards() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.set(missed="all")
        paused = await stage.one.pause_schedule("hourly", by="ops")
        assert (paused.paused, paused.next_at) == (True, None)
        assert await stage.one.pause_schedule("hourly") == paused
        assert await stage.after(hours(2.5)) == ()
        other = await stage.set("30 * * * *", missed="all")
        assert (other.paused, other.next_at) == (True, None)
        resumed = await stage.one.resume_schedule("hourly")
        assert (resumed.paused, resumed.next_at) == (False, at(3.5))
        assert await stage.one.resume_schedule("hourly") == resumed
        assert [one.ticks for one in await stage.after(hours(1))] == [(at(3.5),)]
        await stage.sound()

    play(scene())


def test_given_the_same_plan_again_then_nothing_happens_and_another_takes_its_place() -> None:
    async def scene() -> None:
        stage = Stage()
        first = await stage.set()
        stage.clock.advance(minutes(10))
        assert await stage.set(by="another start") == first
        assert (await stage.set("30 * * * *")).next_at == at(0.5)
        events = [one.event for one in await stage.store.record(schedule_stream("hourly"))]
        assert [type(one) for one in events] == [ScheduleSet, ScheduleSet]

    play(scene())


def test_given_a_tick_that_is_due_when_only_its_job_changes_then_it_gets_the_new_job() -> None:
    """A deployment while no worker was there does not swallow what was missed."""

    async def scene() -> None:
        stage = Stage()
        await stage.set()
        stage.clock.advance(hours(1.5))
        assert (await stage.set(request=report("new"))).next_at == at(1)
        (fired,) = await stage.one.fire()
        assert (fired.ticks, fired.next_at) == ((at(1),), at(2))
        payload = await stage.store.blobs(fired.jobs[0], ("payload",))
        assert payload == {"payload": report("new").payload}
        stage.clock.advance(hours(1))
        assert (await stage.set("45 * * * *")).next_at == at(2.75)
        assert await stage.one.fire() == ()
        await stage.sound()

    play(scene())


def test_given_a_removed_schedule_then_it_is_gone_and_its_name_can_be_given_again() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.set(name="b")
        await stage.set(name="a")
        assert [one.name for one in await stage.one.schedules()] == ["a", "b"]
        assert (await stage.one.remove_schedule("b", by="ops")).removed
        assert [one.name for one in await stage.one.schedules()] == ["a"]
        assert await stage.store.next_due() == at(1)
        await stage.one.remove_schedule("a")
        assert await stage.after(hours(2)) == ()
        assert await stage.store.next_due() is None
        again = await stage.set("30 * * * *", "b")
        assert (again.removed, again.paused, again.next_at) == (False, False, at(2.5))
        assert [one.ticks for one in await stage.after(hours(1))] == [(at(2.5),)]

    play(scene())


@pytest.mark.parametrize("verb", ["pause_schedule", "resume_schedule", "remove_schedule"])
@pytest.mark.parametrize("removed", [True, False])
def test_given_no_schedule_of_that_name_then_what_is_asked_of_it_is_refused(
    verb: str, removed: bool
) -> None:
    async def scene() -> None:
        stage = Stage()
        if removed:
            await stage.set()
            await stage.one.remove_schedule("hourly")
        with pytest.raises(Rejected, match="there is no schedule 'hourly'") as refused:
            await getattr(stage.one, verb)("hourly")
        assert refused.value.reason is Reason.NOT_FOUND

    play(scene())


def with_spec(**fields: Any) -> Request[Any]:
    request = report()
    return replace(request, spec=replace(request.spec, **fields))


@pytest.mark.parametrize(
    ("options", "reason", "says"),
    [
        ({"request": report("x" * MAX_PAYLOAD)}, Reason.TOO_LARGE, "65536 bytes"),
        ({"request": with_spec(run_at=EPOCH)}, Reason.BAD_INPUT, "without run_at"),
        ({"request": with_spec(deadline=EPOCH)}, Reason.BAD_INPUT, "without deadline"),
        ({"request": with_spec(unique=Unique())}, Reason.BAD_INPUT, "without unique"),
        ({"cron": "* * */20 * 1L"}, Reason.BAD_INPUT, "has a tick some day"),
    ],
)
def test_given_what_cannot_be_scheduled_then_it_is_refused_by_reason(
    options: dict[str, Any], reason: Reason, says: str
) -> None:
    async def scene() -> None:
        stage = Stage()
        with pytest.raises(Rejected, match=says) as refused:
            await stage.set(**options)
        assert refused.value.reason is reason
        assert await stage.one.schedules() == ()

    play(scene())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cron": "every day"}, "five fields"),
        ({"zone": "Mars/Olympus"}, "time zone"),
        ({"missed": "twice"}, "twice"),
        ({"at_most": 0}, "at_most from 1 to 1000"),
        ({"grace": seconds(-1)}, "grace"),
        ({"name": ""}, "for name"),
    ],
)
def test_given_values_that_mean_nothing_then_they_are_refused_by_name(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        play(Stage().set(**options))


class Elsewhere(CronCalendar):
    """A host that does not know one of the zones, and has other rules for another."""

    def upto(self, cron: str, zone: str, instant: Instant) -> Instant | None:
        self.check(cron, "Mars/Olympus" if zone == "Europe/Berlin" else zone)
        if zone == "Europe/London":
            return super().upto(cron, zone, instant - hours(1))
        return super().upto(cron, zone, instant)


def test_given_a_zone_that_a_host_does_not_know_then_other_schedules_do_not_wait_for_it() -> None:
    async def scene() -> None:
        stage = Stage()
        here = SchedulerEngine(stage.store, Elsewhere())
        await stage.set(zone="Europe/Berlin")
        await stage.set(name="other")
        stage.clock.advance(hours(1))
        fired = await here.fire()
        assert {one.name: bool(one.fault) for one in fired} == {"hourly": True, "other": False}
        assert "time zone" in next(one.fault for one in fired if one.fault)
        assert await here.fire() == ()
        (fired_there,) = await stage.after(AGAIN)
        assert (fired_there.name, fired_there.ticks) == ("hourly", (at(1),))
        await stage.sound()

    play(scene())


def test_given_a_zone_whose_rules_have_changed_then_the_tick_comes_when_it_is_due_now() -> None:
    async def scene() -> None:
        stage = Stage()
        here = SchedulerEngine(stage.store, Elsewhere())
        await stage.set(zone="Europe/London")
        stage.clock.advance(minutes(90))
        (fired,) = await here.fire()
        assert (fired.ticks, fired.jobs, fired.next_at) == ((), (), at(2))
        assert await stage.ticks() == []
        await stage.sound()

    play(scene())


def test_given_local_time_when_clocks_change_then_a_day_has_one_job_at_its_hour() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.clock.set(datetime(2026, 10, 24, tzinfo=UTC))
        await stage.set("30 2 * * *", zone="Europe/Berlin")
        for _ in range(72):
            await stage.after(hours(1))
        days = [(24, 0, 30), (25, 0, 30), (26, 1, 30)]
        assert await stage.ticks() == [datetime(2026, 10, *day, tzinfo=UTC) for day in days]

    play(scene())


def test_given_a_job_that_must_not_wait_long_then_its_patience_begins_with_its_admission() -> None:
    """Made up for six hours late, it is not stale already."""
    patient = Jobs()

    @patient.job("fresh", timing=Timing(stale_after=minutes(5)))
    def fresh(ctx: Context) -> None: ...

    async def scene() -> None:
        stage = Stage()
        await stage.set(request=fresh())
        await stage.after(hours(6))
        assert await stage.engine.reconcile() == ()
        page = await stage.engine.find(Query())
        assert [one.job.status for one in page.jobs] == [Status.SCHEDULED]

    play(scene())


SET = ScheduleSet(
    at=EPOCH,
    plan=Plan(cron="0 * * * *", spec=report().spec, payload="{}"),
    next_at=at(1),
)


@pytest.mark.parametrize(
    "history",
    [
        [SchedulePaused(at=EPOCH)],
        [SET, ScheduleRemoved(at=EPOCH), SchedulePaused(at=EPOCH)],
        [ScheduleFired(at=EPOCH, ticks=(), jobs=(), next_at=None)],
    ],
)
def test_given_a_history_that_cannot_be_then_it_is_corrupt(history: Sequence[Any]) -> None:
    with pytest.raises(Corrupt, match="not there"):
        fold("hourly", history)


def test_given_one_view_then_each_run_of_the_rule_is_the_same_and_jobs_stand_in_line() -> None:
    schedule = evolve("hourly", None, SET)
    view = View(
        now=at(3),
        place=Place(7),
        seed=42,
        schedules={"hourly": schedule, "other": replace(schedule, name="other")},
    )
    made, fired = fire(view, CronCalendar())
    assert (made, fired) == fire(view, CronCalendar())
    places = [one.job.place for one in made if isinstance(one, Change) and one.job]
    assert places == [7, 8]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-90, 200)),
        st.tuples(st.sampled_from(["one", "other", "both"]), st.just(0)),
        st.tuples(st.sampled_from(["pause", "resume", "remove"]), st.just(0)),
        st.tuples(st.just("set"), st.integers(0, 3)),
    ),
    max_size=25,
)
CRONS = ("*/20 * * * *", "0 * * * *", "7,13 */2 * * *", "30 1 * * *")


@given(STEPS, st.sampled_from(Missed), st.integers(1, 4))
def test_given_any_clock_pauses_and_schedulers_then_no_tick_has_two_jobs(
    steps: list[tuple[str, int]], missed: Missed, at_most: int
) -> None:
    async def scene() -> None:
        stage, since = Stage(), EPOCH
        await stage.set(CRONS[0], missed=missed, at_most=at_most)
        for step, number in [*steps, ("move", 240), ("both", 0)]:
            await _do(stage, step, number, missed, at_most)
            schedule = await stage.now()
            assert schedule.since >= since
            assert schedule.next_at is None or schedule.next_at > schedule.since
            since = schedule.since
        ticks = await stage.ticks()
        assert len(ticks) == len(set(ticks)) == (await stage.now()).fired
        await stage.sound()

    play(scene())


async def _do(stage: Stage, step: str, number: int, missed: Missed, at_most: int) -> None:
    try:
        match step:
            case "move":
                stage.clock.advance(minutes(number))
            case "set":
                await stage.set(CRONS[number], missed=missed, at_most=at_most)
            case "both":
                await asyncio.gather(stage.one.fire(), stage.other.fire())
            case "one" | "other":
                await getattr(stage, step).fire()
            case verb:
                await getattr(stage.one, f"{verb}_schedule")("hourly")
    except Rejected as refusal:
        assert refusal.reason is Reason.NOT_FOUND  # noqa: PT017 - it was removed before


@given(st.lists(st.integers(1, 300), max_size=15), st.sampled_from(Missed), st.integers(1, 4))
def test_given_any_delays_then_each_due_tick_gets_its_job_exactly_by_the_policy(
    delays: list[int], missed: Missed, at_most: int
) -> None:
    async def scene() -> None:
        stage, expected = Stage(), list[Instant]()
        await stage.set(missed=missed, at_most=at_most, grace=minutes(5))
        seen = 0
        for delay in delays:
            fired = await stage.after(minutes(delay))
            now = seen + delay
            due = [minute for minute in range(seen + 1, now + 1) if minute % 60 == 0]
            chosen = due[-(at_most if missed is Missed.ALL else 1) :]
            if missed is Missed.SKIP:
                chosen = [minute for minute in chosen if now - minute <= 5]
            expected += [EPOCH + minutes(minute) for minute in chosen]
            assert [one.skipped for one in fired] == ([len(due) - len(chosen)] if due else [])
            seen = now
        assert await stage.ticks() == expected

    play(scene())
