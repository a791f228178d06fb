"""Many reports in one commit: each as if it were alone."""

from __future__ import annotations

import asyncio

from hooks import SUBMITTED, owe
from hypothesis import example, given
from hypothesis import strategies as st

from parcae import Engine
from parcae.deliveries import Attempt, Delivery, Release, Report
from parcae.errors import LeaseLost, ParcaeError, Rejected
from parcae.fsck import fsck
from parcae.outbox_engine import OutboxEngine
from parcae.settling import Said
from parcae.values import StreamId, Token, WorkerId
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore

statuses = st.sampled_from([410, 410, 200, 500, None])
said = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 3, 0, 1, 2, 3, 4]),
        st.sampled_from([1, 1, 1, 1, 0, 2]),
        st.tuples(statuses) | st.none(),
    ),
    max_size=12,
)
Step = tuple[int, int, tuple[int | None] | None]


def _commands(steps: list[Step], names: list[StreamId]) -> list[Said]:
    return [
        Said(
            delivery=(*names, StreamId("delivery/none"))[which],
            command=Release(token=Token(token))
            if how is None
            else Report(token=Token(token), attempt=Attempt(status=how[0])),
        )
        for which, token, how in steps
    ]


async def _outcome(steps: list[Step], *, together: bool) -> tuple[list[object], list[object]]:
    """What was answered and what is stored, said together or one by one."""
    store = MemoryStore(clock=ManualClock(), entropy=iter(range(1, 10_000)).__next__)
    async with Engine(store) as engine:
        outbox = OutboxEngine(store)
        for name in ("one", "two"):
            url = f"https://{name}.example/"
            await outbox.subscribe(name, url, wanted=SUBMITTED, ordered=name == "two")
        await owe(engine, 2)
        taken = await outbox.take(WorkerId("ann"), request="r")
        commands = _commands(steps, sorted(one.delivery for one in taken))
        answers: list[object] = []
        if together:
            answers += await outbox.settle(commands)
        else:
            for one in commands:
                answers.append(await _alone(outbox, one))
        assert not (await fsck(store)).findings
        return list(map(_plain, answers)), [one.event for one in await store.log()]


async def _alone(outbox: OutboxEngine, one: Said) -> object:
    try:
        if isinstance(one.command, Report):
            return await outbox.report(one.delivery, one.command.token, one.command.attempt)
        return await outbox.release(one.delivery, one.command.token)
    except ParcaeError as error:
        return error


def _plain(answer: object) -> object:
    if isinstance(answer, Rejected | LeaseLost):
        return type(answer), answer.reason, str(answer)
    assert isinstance(answer, Delivery)
    return answer


@given(said)
@example([(which, 1, (410,)) for which in range(4)])
@example([(which, 1, (200,)) for which in (0, 1, 2, 3, 0)])
def test_given_any_reports_when_they_are_said_together_then_it_is_as_if_one_by_one(
    steps: list[Step],
) -> None:
    """S18, S25: a refusal harms no other, and what is repeated gets the first answer."""

    async def main() -> None:
        assert await _outcome(steps, together=True) == await _outcome(steps, together=False)

    asyncio.run(main())
