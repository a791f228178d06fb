"""Deliveries: what is owed to whom, every try of it, and again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen

from parcae.deliveries import Standing, webhook_id
from parcae.deliveries.state import PREFIX
from parcae.errors import Reason, Rejected
from parcae.ports import DeliveryQuery
from parcae.values import StreamId
from parcae_adapters.http.fields import Nothing, described, many, name, number, text
from parcae_adapters.http.paging import PAGE_TOKEN, cursor, limit, token
from parcae_adapters.http.problems import BAD_INPUT, NOT_FOUND, REJECTED, Problem
from parcae_adapters.http.route import Call, Param, Reply, Route, Scope
from parcae_adapters.http.routes.subscriptions import outbox
from parcae_adapters.http.submission import meant
from parcae_adapters.records import outbox as plain

MOST = 100
REPLAYED = 1_000
"""So many are replayed by one request at the most."""


class State(StrEnum):
    """The states of a delivery by itself: a seal, and who is disabled, are not its own affair."""

    PENDING = "pending"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    DEAD = "dead"


@frozen(kw_only=True)
class AttemptReply:
    """What came of one try: a status, or an error."""

    status: int | None
    error: str | None
    seconds: float
    retry_after_seconds: float | None
    excerpt: str


@frozen(kw_only=True)
class DeliveryReply:
    """What is owed to a subscription of one event; ``state`` also says withheld and disabled."""

    id: str
    subscription: str
    state: str
    subject: str
    number: int
    event: str
    owed_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    cause: str | None
    tries: int
    replays: int
    last: AttemptReply | None


@frozen(kw_only=True)
class DeliveriesReply:
    """A page of deliveries, newest first. An empty ``next_page_token`` is the only end."""

    deliveries: tuple[DeliveryReply, ...]
    next_page_token: str


@frozen(kw_only=True)
class HappenedReply:
    """Something that happened to a delivery."""

    at: datetime
    what: str
    says: str
    attempt: AttemptReply | None


@frozen(kw_only=True)
class DeliveryHistoryReply:
    """A delivery, what it sends, and everything that happened to it, in order."""

    delivery: DeliveryReply
    body: str
    history: tuple[HappenedReply, ...]


@frozen(kw_only=True)
class ReplayMany:
    """Which deliveries: at least one filter. ``dry_run``: only say which they would be."""

    subscription: str | None = name(None)
    states: tuple[State, ...] = many(most=4, description="By default those that are dead.")
    subject: str | None = name(None, description="Of the events of this job.")
    limit: int = number(100, least=1, most=REPLAYED)
    dry_run: bool = described(True, description="Replay nothing; the default, so that one looks.")
    page_token: str = text(
        "",
        most=400,
        description="`next_page_token` of the answer before: go on where it ended.",
    )


@frozen(kw_only=True)
class RefusedReplayReply:
    """One that could not be replayed, and why."""

    id: str
    why: str


@frozen(kw_only=True)
class ReplayedReply:
    """Which deliveries are sent again, or would be."""

    dry_run: bool
    replayed: tuple[str, ...]
    refused: tuple[RefusedReplayReply, ...]
    more: bool
    next_page_token: str


def _named(call: Call) -> StreamId:
    return StreamId(PREFIX + call.path["delivery_id"])


async def listed(call: Call) -> Reply:
    """A page of deliveries."""
    query = call.query
    with meant():
        found = await outbox(call).deliveries(
            DeliveryQuery(
                states=frozenset(Standing(one) for one in query["state"]),
                subscriptions=frozenset(query["subscription"]),
                subject=None if query["subject"] is None else StreamId(query["subject"]),
                limit=query["limit"],
                cursor=cursor(query["page_token"]),
            )
        )
    watched = await outbox(call).watched(found.deliveries)
    deliveries = [plain.delivery(one) for one in watched]
    return Reply(body={"deliveries": deliveries, "next_page_token": token(found.cursor)})


async def shown(call: Call) -> Reply:
    """One delivery, with every try."""
    engine = outbox(call)
    found = await engine.delivery(_named(call))
    (watched,) = await engine.watched([found])
    return Reply(
        body={
            "delivery": plain.delivery(watched),
            "body": (await engine.body(found.id)).decode("utf-8", "replace"),
            "history": plain.attempts(await engine.tries(found.id)),
        }
    )


async def replay(call: Call) -> Reply:
    """Send one again."""
    engine = outbox(call)
    done = await engine.replay(_named(call), by=call.caller.name)
    (watched,) = await engine.watched([done])
    return Reply(body=plain.delivery(watched))


async def replay_many(call: Call) -> Reply:
    """Send many again, or say which they would be."""
    body: ReplayMany = call.body
    if body.subscription is None and body.subject is None:
        raise Problem(BAD_INPUT, "expected subscription or subject: all at once is too many")
    states = body.states or (State.DEAD,)
    query = DeliveryQuery(
        states=frozenset(Standing(one) for one in states),
        subscriptions=frozenset(() if body.subscription is None else (body.subscription,)),
        subject=None if body.subject is None else StreamId(body.subject),
        limit=body.limit,
        cursor=cursor(body.page_token),
    )
    engine = outbox(call)
    with meant():
        page = await engine.deliveries(query)
    replayed: list[str] = []
    refused: list[dict[str, Any]] = []
    for one in page.deliveries:
        try:
            if not body.dry_run:
                await engine.replay(one.id, by=call.caller.name)
            replayed.append(webhook_id(one.id))
        except Rejected as error:
            refused.append({"id": webhook_id(one.id), "why": str(error)})
    return Reply(
        body={
            "dry_run": body.dry_run,
            "replayed": replayed,
            "refused": refused,
            "more": bool(page.cursor),
            "next_page_token": token(page.cursor),
        }
    )


_ONE = "/v1/deliveries/{delivery_id}"

ROUTES = (
    Route(
        method="GET",
        path="/v1/deliveries",
        handler=listed,
        scope=Scope.READ,
        summary="List what is owed, or was, newest first",
        reply=DeliveriesReply,
        query=(
            Param(
                name="state",
                kind=State,
                description="In one of these; what is withheld or disabled is pending.",
                default=(),
                repeated=True,
                at_most=4,
            ),
            Param(
                name="subscription",
                description="Owed to one of these.",
                default=(),
                repeated=True,
                at_most=MOST,
                least=1,
            ),
            Param(name="subject", description="Of the events of this job.", least=1),
            limit(),
            PAGE_TOKEN,
        ),
        problems=(BAD_INPUT,),
        tag="deliveries",
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=shown,
        scope=Scope.READ,
        summary="Show a delivery, what it sends, and every try",
        reply=DeliveryHistoryReply,
        problems=(NOT_FOUND,),
        tag="deliveries",
    ),
    Route(
        method="POST",
        path=f"{_ONE}:replay",
        handler=replay,
        scope=Scope.OPERATE,
        summary="Send a delivery again, or at once",
        body=Nothing,
        body_required=False,
        reply=DeliveryReply,
        problems=(NOT_FOUND, REJECTED[Reason.HELD], REJECTED[Reason.UNLAWFUL]),
        tag="deliveries",
    ),
    Route(
        method="POST",
        path="/v1/deliveries:replay",
        handler=replay_many,
        scope=Scope.OPERATE,
        summary="Send the deliveries again that a filter names",
        description=f"At most {REPLAYED} by one request; by default only says which they are.",
        body=ReplayMany,
        reply=ReplayedReply,
        problems=(BAD_INPUT,),
        tag="deliveries",
    ),
)
