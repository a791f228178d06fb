"""The use cases of webhooks: subscribe, send what is owed, replay; and the seal over all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from attrs import evolve as replace
from attrs import frozen

from parcae import outbox as rules
from parcae.change import AggregateEvent, Revision, View
from parcae.deliveries import (
    LEASE,
    Attempt,
    DeleteDelivery,
    Delivery,
    Release,
    Report,
    Standing,
    Start,
    standing,
)
from parcae.errors import LeaseLost, Reason, Rejected
from parcae.filters import Filter
from parcae.outbox import Dispatch
from parcae.ports import Deliverable, DeliveryPage, DeliveryQuery, Named, Recorded, Spent, Store
from parcae.seal import Seal
from parcae.settling import Answer, Said, settle
from parcae.subscriptions import (
    Disable,
    Enable,
    Rotate,
    SetSubscription,
    Subscription,
    SubscriptionCommand,
    Unsubscribe,
    subscription_stream,
)
from parcae.values import Blob, JobId, StreamId, Token, WorkerId, blob

T = TypeVar("T")

BATCH = 100
"""Deliveries in one commit of a bulk verb."""


@frozen(kw_only=True)
class Watched:
    """A delivery, and where it stands."""

    delivery: Delivery
    standing: Standing


def secret_blob(secret: bytes) -> Blob:
    """The reference to a secret: a digest of what nobody can guess tells nothing of it."""
    digest = blob("", secret).digest
    return blob(f"secret/{digest[:16]}", secret)


class OutboxEngine:
    """What can be asked of subscriptions, deliveries and the seal.

    Args:
        store: where they are; it has the clock and the chance that all of this needs.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def subscribe(
        self,
        name: str,
        url: str,
        *,
        wanted: Filter | None = None,
        ordered: bool = False,
        secret: bytes | None = None,
        by: str = "",
    ) -> Subscription:
        """Tell ``url`` of events from now on.

        The same again changes nothing, so an application may subscribe whenever it starts; what
        is there under the name gets another address, filter or order, and keeps its secrets.

        Args:
            name: of the subscription.
            url: where to.
            wanted: which events; by default all.
            ordered: of one job one after the other.
            secret: the first one, as ``whsec_…``; ``None``: nothing is signed.
            by: who asks.

        Raises:
            Rejected: there are too many.
            ValueError: the name, the address or the filter means nothing.
        """
        command = SetSubscription(
            url=url,
            filter=wanted or Filter(),
            ordered=ordered,
            secret=None if secret is None else secret_blob(secret),
            by=by,
        )
        return await self._configure(name, command, secret)

    async def rotate(
        self, name: str, secret: bytes, *, overlap: timedelta | None = None, by: str = ""
    ) -> Subscription:
        """Sign with ``secret`` from now on, and with those of before for ``overlap`` (24 h).

        Raises:
            Rejected: there is no such subscription, or it has had that secret.
        """
        command = Rotate(secret=secret_blob(secret), overlap=overlap, by=by)
        return await self._configure(name, command, secret)

    async def disable(self, name: str, *, by: str = "") -> Subscription:
        """Send nothing until it is enabled; what is owed is kept.

        Raises:
            Rejected: there is no such subscription.
        """
        return await self._configure(name, Disable(by=by))

    async def enable(self, name: str, *, by: str = "") -> Subscription:
        """Send again, what is owed first.

        Raises:
            Rejected: there is no such subscription.
        """
        return await self._configure(name, Enable(by=by))

    async def unsubscribe(self, name: str, *, by: str = "") -> Subscription:
        """Tell of nothing any more; what is owed is given up.

        Raises:
            Rejected: there is no such subscription.
        """
        removed = await self._configure(name, Unsubscribe(by=by))
        await self._give_up(name)
        return removed

    async def subscriptions(self) -> Mapping[str, Subscription]:
        """All that are not removed, by name."""
        found = (await self.store.look(Named())).subscriptions
        return {name: one for name, one in sorted(found.items()) if not one.removed}

    async def secrets(self, subscription: Subscription) -> Sequence[bytes]:
        """What it is signed with now, the present one first."""
        now = self.store.clock.now()
        names = [one.blob.name for one in subscription.signed_with(now)]
        stream = subscription_stream(subscription.name)
        found = await self.store.blobs(JobId(stream), names)
        return tuple(found[name] for name in names if name in found)

    async def seal(self, *, by: str = "", reason: str = "") -> Seal:
        """Withhold everything: once this returns, nothing begins to be sent (rule 12)."""
        return await self._set_seal(close=True, by=by, reason=reason)

    async def unseal(self, *, by: str = "", reason: str = "") -> Seal:
        """Let what was withheld be sent."""
        return await self._set_seal(close=False, by=by, reason=reason)

    async def sealed(self) -> Seal:
        """The seal as it is."""
        return (await self.store.look(Named())).seal

    async def outgoing(self) -> tuple[Seal, Mapping[str, Subscription]]:
        """What says whether anything may go out: the seal, and by their names all subscriptions,
        the removed ones too."""
        view = await self.store.look(Named())
        return view.seal, view.subscriptions

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """A page of deliveries, newest first."""
        return await self.store.deliveries(query)

    async def under_way(self) -> int:
        """How many a sender may be sending now. A try is over before its lease is, so that what a
        sender left behind that was killed counts until then, and not for ever."""
        query, found = DeliveryQuery(states=frozenset({Standing.DELIVERING}), limit=1_000), 0
        while True:
            page = await self.deliveries(query)
            now = self.store.clock.now()
            found += sum(one.held(now) for one in page.deliveries)
            if not page.cursor:
                return found
            query = replace(query, cursor=page.cursor)

    async def watched(self, deliveries: Sequence[Delivery]) -> Sequence[Watched]:
        """Where deliveries stand, sealed and disabled ones included."""
        view = await self.store.look(Named())
        return tuple(
            Watched(
                delivery=one,
                standing=standing(one, view.subscriptions.get(one.subscription), view.seal),
            )
            for one in deliveries
        )

    async def delivery(self, delivery: StreamId) -> Delivery:
        """One delivery.

        Raises:
            Rejected: there is none.
        """
        found = await self.store.aggregate(delivery)
        if not isinstance(found, Delivery):
            raise Rejected(Reason.NOT_FOUND, f"there is no {delivery}", command="show")
        return found

    async def tries(self, delivery: StreamId) -> Sequence[Recorded[AggregateEvent]]:
        """Everything that happened to a delivery, in order."""
        return await self.store.record(delivery)

    async def body(self, delivery: StreamId) -> bytes:
        """What a delivery sends; empty: it is gone."""
        found = await self.store.blobs(JobId(delivery), (rules.BODY,))
        return found.get(rules.BODY, b"")

    async def take(
        self,
        worker: WorkerId,
        *,
        request: str,
        limit: int = BATCH,
        each: int = 10,
        room: Mapping[str, int] | None = None,
        lease: timedelta = LEASE,
    ) -> Sequence[Dispatch]:
        """Take up to ``limit`` deliveries, to send them now.

        Args:
            worker: who asks.
            request: a key of this very request: repeated, it gets the same ones.
            limit: 1 to 1000.
            each: of one subscription at the most.
            room: of these subscriptions, in place of ``each``.
            lease: for how long they are the sender's alone.
        """
        command = Start(worker=worker, request=request, lease=lease)
        selection = Deliverable(
            worker=worker, request=request, limit=limit, each=each, room=dict(room or {})
        )

        def rule(view: View) -> tuple[Sequence[Revision], Sequence[Dispatch]]:
            return rules.start(view, command)

        return await self._run(selection, rule)

    async def report(self, delivery: StreamId, token: Token, attempt: Attempt) -> Delivery:
        """Say what came of a try; repeated, it changes nothing.

        Raises:
            LeaseLost: somebody else has it by now; what came of it is kept as evidence.
            Rejected: there is no such delivery.
        """
        return await self._report(delivery, Report(token=token, attempt=attempt))

    async def release(self, delivery: StreamId, token: Token) -> Delivery:
        """Give a delivery back unsent.

        Raises:
            LeaseLost: somebody else has it by now.
            Rejected: there is no such delivery.
        """
        return await self._report(delivery, Release(token=token))

    async def settle(self, said: Sequence[Said]) -> Sequence[Answer]:
        """Report and release many at once, in one commit; the answer to each, in their order.

        It costs far less than to do it one by one, and what is refused of one harms no other.
        """
        names = tuple(dict.fromkeys(one.delivery for one in said))
        return await self._run(Named(deliveries=names), lambda view: settle(view, said))

    async def replay(self, delivery: StreamId, *, by: str = "") -> Delivery:
        """Send a delivery again, or at once, whatever became of it.

        Raises:
            Rejected: there is none, it is being sent, or its subscription is removed.
        """

        def rule(view: View) -> tuple[Sequence[Revision], Delivery]:
            made = rules.replay(view, delivery, by)
            after = made[0].after
            assert isinstance(after, Delivery)
            return made, after

        return await self._run(Named(deliveries=(delivery,)), rule)

    async def replay_all(
        self, query: DeliveryQuery, *, by: str = ""
    ) -> tuple[Sequence[StreamId], Mapping[StreamId, str]]:
        """Replay all that a query names: which were, and why the others could not be."""
        replayed: list[StreamId] = []
        refused: dict[StreamId, str] = {}
        cursor = query.cursor
        while True:
            page = await self.deliveries(replace(query, cursor=cursor, limit=BATCH))
            for one in page.deliveries:
                try:
                    await self.replay(one.id, by=by)
                    replayed.append(one.id)
                except Rejected as error:
                    refused[one.id] = str(error)
            cursor = page.cursor
            if not cursor:
                return tuple(replayed), refused

    async def sweep(self, delivered: timedelta, dead: timedelta, limit: int = BATCH) -> int:
        """Delete up to ``limit`` that were delivered, or given up, so long ago; how many were."""
        # Bounded: what is longer than that is no age.
        DeleteDelivery(retention=delivered), DeleteDelivery(retention=dead)
        now = self.store.clock.now()
        selection = Spent(delivered_before=now - delivered, dead_before=now - dead, limit=limit)

        def rule(view: View) -> tuple[Sequence[Revision], int]:
            made = rules.sweep(view, delivered=delivered, dead=dead)
            return made, len(made)

        return await self._run(selection, rule)

    async def _give_up(self, name: str) -> None:
        """What is owed to a removed one, in several commits. What a crash leaves is given up
        once it falls due."""
        pending = frozenset({Standing.PENDING})
        query = DeliveryQuery(subscriptions=frozenset({name}), states=pending, limit=BATCH)
        while True:
            page = await self.deliveries(query)
            found = tuple(one.id for one in page.deliveries)
            if found:
                await self.store.transact(Named(deliveries=found), rules.give_up)
            if not page.cursor:
                return
            query = replace(query, cursor=page.cursor)

    async def _report(self, delivery: StreamId, command: Report | Release) -> Delivery:
        answer = await self._run(
            Named(deliveries=(delivery,)), lambda view: rules.report(view, delivery, command)
        )
        if isinstance(answer, LeaseLost):
            raise answer
        return answer

    async def _configure(
        self, name: str, command: SubscriptionCommand, secret: bytes | None = None
    ) -> Subscription:
        def rule(view: View) -> tuple[Sequence[Revision], Subscription]:
            made = rules.configure(view, name, command, secret)
            after = made[0].after if made else view.subscriptions.get(name)
            assert isinstance(after, Subscription)
            return made, after

        return await self._run(Named(), rule)

    async def _set_seal(self, *, close: bool, by: str, reason: str) -> Seal:
        def rule(view: View) -> tuple[Sequence[Revision], Seal]:
            made = rules.set_seal(view, close=close, by=by, reason=reason)
            after = made[0].after if made else view.seal
            assert isinstance(after, Seal)
            return made, after

        return await self._run(Named(), rule)

    async def _run(
        self,
        selection: Named | Deliverable | Spent,
        rule: Callable[[View], tuple[Sequence[Revision], T]],
    ) -> T:
        """Transact, and answer what the run of the rule has said whose outcome was stored."""
        said: list[T] = []

        def recorded(view: View) -> Sequence[Revision]:
            made, answer = rule(view)
            said[:] = [answer]
            return made

        await self.store.transact(selection, recorded)
        return said[0]
