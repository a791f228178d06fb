"""What is done to two stores side by side: subscriptions, deliveries, the seal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from parcae import deliveries as d
from parcae import outbox as rules
from parcae import subscriptions as n
from parcae.change import Revision, View
from parcae.configure import configure
from parcae.filters import Filter
from parcae.outbox_engine import secret_blob
from parcae.ports import Deliverable, DeliveryPage, DeliveryQuery, Named, Spent, Store
from parcae.queues import Pause, Resume
from parcae.seal import SEAL
from parcae.subscriptions import subscription_stream
from parcae.values import JobId, StreamId, Token, WorkerId, seconds
from parcae_specs.machine_others import Others

T = TypeVar("T")

HOOKS = ("a", "b")
FILTERS = (
    Filter(types=("submitted", "completed", "deleted")),
    Filter(types=("started", "cancelled", "group-ended", "queue-paused", "queue-resumed")),
)
SECRETS = (b"whsec_one", b"whsec_two", b"whsec_three")
SENDERS = (WorkerId("s1"), WorkerId("s2"))
ATTEMPTS = (
    d.Attempt(status=200),
    d.Attempt(status=500),
    d.Attempt(status=503, retry_after=seconds(3)),
    d.Attempt(error="TimeoutError"),
    d.Attempt(status=410),
)
AGES = (seconds(0), seconds(20))
DELIVERY_QUERIES = (
    DeliveryQuery(limit=2),
    DeliveryQuery(limit=2, states=frozenset({d.Standing.PENDING, d.Standing.DEAD})),
    DeliveryQuery(limit=2, subscriptions=frozenset({"a"})),
)
CONFIGURED: Sequence[tuple[n.SubscriptionCommand, bytes | None]] = (
    *(
        (
            n.SetSubscription(
                url="https://a/", filter=choice, ordered=ordered, secret=secret_blob(SECRETS[0])
            ),
            SECRETS[0],
        )
        for choice in FILTERS
        for ordered in (False, True)
    ),
    *((n.Rotate(secret=secret_blob(one), overlap=seconds(9)), one) for one in SECRETS),
    (n.Disable(), None),
    (n.Enable(), None),
    (n.Enable(), None),
    (n.Unsubscribe(), None),
)


@frozen(kw_only=True)
class Sending:
    """Who takes how many, and what they say of them."""

    sender: WorkerId
    request: str
    room: tuple[int, int, dict[str, int]]
    said: Sequence[tuple[int, d.Attempt]]
    times: int


SENDING = st.builds(
    Sending,
    sender=st.sampled_from(SENDERS),
    request=st.sampled_from(["r1", "r2", "r3"]),
    room=st.sampled_from([(4, 3, {}), (2, 1, {}), (4, 2, {"a": 0}), (3, 1, {"b": 4})]),
    said=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(ATTEMPTS)), min_size=1, max_size=4),
    times=st.integers(1, d.TRIES + 1),
)


class Outgoing(Others):
    """Whom to tell of all that, and who does it. ``stages`` counts where deliveries stood."""

    stages: ClassVar[Counter[d.Standing]]

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[StreamId, Token]] = []

    @initialize(seed=st.integers(0, 2**32), first=st.sampled_from((None, *CONFIGURED[:4])))
    def open(self, seed: int, first: tuple[n.SubscriptionCommand, bytes | None] | None) -> None:
        """Open both; mostly somebody has subscribed from the beginning."""
        super().open(seed)
        if first is not None:
            self.set_subscription("a", first)

    @rule(name=st.sampled_from(HOOKS), what=st.sampled_from(CONFIGURED))
    def set_subscription(self, name: str, what: tuple[n.SubscriptionCommand, bytes | None]) -> None:
        """Set something for a subscription."""
        command, secret = what
        self.transact(Named(), lambda view: rules.configure(view, name, command, secret))

    @rule(asked=SENDING)
    def send(self, asked: Sending) -> None:
        """Take some; say what came of those that somebody took, in time or late; and so on."""
        self._send(asked, asked.request)
        for number in range(1, asked.times):
            due = self.runner.run(self.model.next_delivery())
            if due is None:
                return
            self.clock.set(max(due, self.clock.now()))
            self._send(asked, f"{asked.request}/{number}")

    @rule(asked=SENDING, what=st.sampled_from(CONFIGURED[:4]))
    def subscribe_and_send(
        self, asked: Sending, what: tuple[n.SubscriptionCommand, bytes | None]
    ) -> None:
        """Rules are drawn alike, and of those that bring a delivery about there are too few."""
        self.set_subscription("a", what)
        self.set_subscription("a", (n.Enable(), None))
        self.transact(Named(), lambda view: rules.set_seal(view, close=False))
        self.transact(
            Named(queues=("main",)), lambda view: configure(view, "main", Pause(by="ops"))
        )
        self.transact(Named(queues=("main",)), lambda view: configure(view, "main", Resume()))
        self.send(asked)

    def _send(self, asked: Sending, request: str) -> None:
        limit, each, rooms = asked.room
        said, sender = asked.said, asked.sender
        command = d.Start(worker=sender, request=request, lease=seconds(5))
        selection = Deliverable(
            worker=sender, request=request, limit=limit, each=each, room=dict(rooms)
        )
        given: list[rules.Dispatch] = []
        self._told(selection, lambda view: rules.start(view, command), given.extend)
        self.given += [(one.delivery, one.token) for one in given]
        if given and said[0][0] % 3:
            self._say(*self.given[-1], said[0][1], back=False)
        for pick, attempt in said if self.given else ():
            self._say(*self.given[-1 - pick % len(self.given)], attempt, back=pick == 6)

    def _say(self, name: StreamId, token: Token, attempt: d.Attempt, *, back: bool) -> None:
        """Report, or give it back unsent."""
        report = d.Report(token=token, attempt=attempt)
        command = d.Release(token=token) if back else report
        self._told(
            Named(deliveries=(name,)),
            lambda view: rules.report(view, name, command),
            lambda _: None,
        )

    @rule(what=st.sampled_from(["replay", "give up", "seal", "open", "open", "sweep", "sweep"]))
    def meddle(self, what: str) -> None:
        """What operators and retention do."""
        found = self.runner.run(_listed(self.model, DeliveryQuery(limit=3))).deliveries
        names = tuple(one.id for one in found)
        now, age = self.clock.now(), AGES[len(self.given) % 2]
        if what == "replay":
            if names:
                self.transact(Named(deliveries=names), lambda view: rules.replay(view, names[0]))
        elif what == "give up":
            self.transact(Named(deliveries=names), rules.give_up)
        elif what == "sweep":
            selection = Spent(delivered_before=now - age, dead_before=now - age, limit=2)
            self.transact(selection, lambda view: rules.sweep(view, delivered=age, dead=age))
        else:
            self.transact(Named(), lambda view: rules.set_seal(view, close=what == "seal"))

    def _told(
        self,
        selection: Named | Deliverable,
        rule: Callable[[View], tuple[Sequence[Revision], T]],
        heard: Callable[[T], object],
    ) -> None:
        said: list[T] = []

        def recorded(view: View) -> Sequence[Revision]:
            made, answer = rule(view)
            said[:] = [answer]
            return made

        self.transact(selection, recorded)
        for one in said:
            heard(one)

    @invariant()
    def what_is_owed_agrees(self) -> None:
        """S14, S15, S22: lists, counts, what is due, and all bytes."""
        if not hasattr(self, "system"):
            return
        tally = self.both(lambda store: store.tally())
        self.stages.update(stage for _, stage in tally)
        self.both(lambda store: store.next_delivery())
        self.both(lambda store: store.next_delivery(self.clock.now()))
        self.both(lambda store: store.extent())
        for query in DELIVERY_QUERIES:
            page = self.both(lambda store, query=query: store.deliveries(query))  # type: ignore[misc]
            for one in page.deliveries:
                kept = self.both(lambda store, one=one: store.blobs(JobId(one.id), ("body",)))  # type: ignore[misc]
                assert kept, f"S15: the bytes of {one.id} are gone"
        if tally:
            names = [secret_blob(one).name for one in SECRETS]
            for name in HOOKS:
                stream = JobId(subscription_stream(name))
                self.both(lambda store, stream=stream: store.blobs(stream, names))  # type: ignore[misc]
        self.both(lambda store: store.aggregate(SEAL))


async def _listed(store: Store, query: DeliveryQuery) -> DeliveryPage:
    return await store.deliveries(query)
