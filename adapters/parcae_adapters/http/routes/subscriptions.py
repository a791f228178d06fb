"""Subscriptions of webhooks, and the seal that withholds all of them."""

# ruff: noqa: RUF009 - what is called there makes a field

from __future__ import annotations

from datetime import datetime, timedelta

from aiohttp import web
from attrs import frozen

from parcae.cloudevents import TYPES
from parcae.errors import Reason, Rejected
from parcae.filters import MOST, Filter
from parcae.outbox_engine import OutboxEngine, secret_blob
from parcae.subscriptions import OVERLAP, Subscription
from parcae_adapters.http.fields import Nothing, described, many, name, span, text
from parcae_adapters.http.guard import Guard
from parcae_adapters.http.problems import BAD_INPUT, NOT_FOUND, TOO_LARGE
from parcae_adapters.http.route import Call, Handler, Reply, Route, Scope
from parcae_adapters.http.submission import meant
from parcae_adapters.http.whsec import checked, new_secret
from parcae_adapters.records import outbox as plain
from parcae_adapters.records.jobs import Record

GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
"""Where webhooks may go; whoever serves may put another one in."""
LONGEST_URL = 2_000


def setup(app: web.Application) -> None:
    """Webhooks go out into the world only, unless whoever serves says otherwise."""
    app[GUARD] = Guard()


@frozen(kw_only=True)
class SetSubscription:
    """Who is to be told of what. A list that is empty does not choose."""

    name: str = name()
    url: str = text(least=8, most=LONGEST_URL, description="Where to: https, and out in the world.")
    types: tuple[str, ...] = many(
        most=MOST, description="Such as `parcae.job.completed`, or `completed`."
    )
    kinds: tuple[str, ...] = many(most=MOST, description="Of jobs of these kinds.")
    queues: tuple[str, ...] = many(most=MOST, description="Of these queues, and of their jobs.")
    streams: tuple[str, ...] = many(most=MOST, description="Of these jobs, groups or schedules.")
    ordered: bool = described(False, description="Of one job one after the other.")
    secret: str | None = text(
        None, most=200, description="`whsec_…`, of 24 to 64 bytes; by default a new one."
    )


@frozen(kw_only=True)
class RotateSecret:
    """The next secret; with those of before is signed for another while."""

    secret: str | None = text(
        None, most=200, description="`whsec_…`, of 24 to 64 bytes; by default a new one."
    )
    overlap: timedelta = span(OVERLAP, least=0, most=30 * 86_400)


@frozen(kw_only=True)
class SealBody:
    """Why."""

    reason: str = text("", most=1_000)


@frozen(kw_only=True)
class SubscriptionReply:
    """A subscription. Its secrets are counted, not told."""

    name: str
    version: int
    url: str
    types: tuple[str, ...]
    kinds: tuple[str, ...]
    queues: tuple[str, ...]
    streams: tuple[str, ...]
    ordered: bool
    secrets: int
    state: str
    disabled_at: datetime | None


@frozen(kw_only=True)
class NewSecretReply(SubscriptionReply):
    """A subscription, and its new secret, which is never told again; null: it has none new."""

    secret: str | None


@frozen(kw_only=True)
class SubscriptionsReply:
    """All subscriptions, by name."""

    subscriptions: tuple[SubscriptionReply, ...]


@frozen(kw_only=True)
class SealReply:
    """Whether everything is withheld, since when, by whom and why."""

    sealed: bool
    since: datetime | None
    by: str
    reason: str


def outbox(call: Call) -> OutboxEngine:
    """The use cases of webhooks, on the store of the server."""
    return OutboxEngine(call.engine.store)


def _told(call: Call, one: Subscription) -> Record:
    # Addresses are often secrets themselves: who may only look is told where they are.
    return plain.subscription(
        one, call.engine.store.clock.now(), whole=call.caller.may(Scope.OPERATE)
    )


async def listed(call: Call) -> Reply:
    """All subscriptions."""
    found = await outbox(call).subscriptions()
    return Reply(body={"subscriptions": [_told(call, one) for one in found.values()]})


async def _known(call: Call) -> Subscription:
    found = (await outbox(call).subscriptions()).get(call.path["name"])
    if found is None:
        raise Rejected(Reason.NOT_FOUND, "there is no such subscription", command="show")
    return found


async def shown(call: Call) -> Reply:
    """One subscription."""
    return Reply(body=_told(call, await _known(call)))


async def subscribe(call: Call) -> Reply:
    """Tell somebody of something from now on."""
    body: SetSubscription = call.body
    with meant():
        call.request.app[GUARD].check(body.url)
        secret = new_secret() if body.secret is None else checked(body.secret)
        chosen = Filter(
            types=[tag(one) for one in body.types],
            kinds=body.kinds,
            queues=body.queues,
            streams=body.streams,
        )
        done = await outbox(call).subscribe(
            body.name,
            body.url,
            wanted=chosen,
            ordered=body.ordered,
            secret=secret,
            by=call.caller.name,
        )
    made = body.secret is None and any(one.blob == secret_blob(secret) for one in done.secrets)
    return Reply(body={**_told(call, done), "secret": secret.decode() if made else None})


def tag(given: str) -> str:
    """The name under which events of a type are stored.

    Raises:
        ValueError: there is no such type, or nobody is told of it.
    """
    found = TYPES.get(given, given)
    if found not in TYPES.values():
        raise ValueError(f"expected a type such as parcae.job.completed, got {given[:50]!r}")
    return found


async def rotate(call: Call) -> Reply:
    """Sign with a new secret."""
    body: RotateSecret = call.body
    with meant():
        secret = new_secret() if body.secret is None else checked(body.secret)
        done = await outbox(call).rotate(
            call.path["name"], secret, overlap=body.overlap, by=call.caller.name
        )
    told = secret.decode() if body.secret is None else None
    return Reply(body={**_told(call, done), "secret": told})


async def enable(call: Call) -> Reply:
    """Send again."""
    with meant():
        done = await outbox(call).enable(call.path["name"], by=call.caller.name)
    return Reply(body=_told(call, done))


async def disable(call: Call) -> Reply:
    """Send nothing until it is enabled."""
    with meant():
        done = await outbox(call).disable(call.path["name"], by=call.caller.name)
    return Reply(body=_told(call, done))


async def remove(call: Call) -> Reply:
    """Tell of nothing any more."""
    with meant():
        await outbox(call).unsubscribe(call.path["name"], by=call.caller.name)
    return Reply(status=204)


async def sealed(call: Call) -> Reply:
    """Whether everything is withheld."""
    return Reply(body=plain.seal(await outbox(call).sealed()))


async def seal(call: Call) -> Reply:
    """Withhold everything."""
    body: SealBody = call.body
    done = await outbox(call).seal(by=call.caller.name, reason=body.reason)
    return Reply(body=plain.seal(done))


async def unseal(call: Call) -> Reply:
    """Let what was withheld be sent."""
    body: SealBody = call.body
    done = await outbox(call).unseal(by=call.caller.name, reason=body.reason)
    return Reply(body=plain.seal(done))


def _change(verb: str, handler: Handler, summary: str, scope: Scope = Scope.OPERATE) -> Route:
    rotates = verb == "rotate"
    return Route(
        method="POST",
        path=f"/v1/subscriptions/{{name}}:{verb}",
        handler=handler,
        scope=scope,
        summary=summary,
        body=RotateSecret if rotates else Nothing,
        body_required=False,
        reply=NewSecretReply if rotates else SubscriptionReply,
        problems=(NOT_FOUND, BAD_INPUT, TOO_LARGE) if rotates else (NOT_FOUND, BAD_INPUT),
        tag="subscriptions",
    )


def _sealing(method: str, verb: str, handler: Handler, summary: str, scope: Scope) -> Route:
    return Route(
        method=method,
        path=f"/v1/seal{verb}",
        handler=handler,
        scope=scope,
        summary=summary,
        body=SealBody if method == "POST" else None,
        body_required=False,
        reply=SealReply,
        tag="subscriptions",
    )


_ONE = "/v1/subscriptions/{name}"

ROUTES = (
    Route(
        method="GET",
        path="/v1/subscriptions",
        handler=listed,
        scope=Scope.READ,
        summary="List the subscriptions of webhooks",
        reply=SubscriptionsReply,
        tag="subscriptions",
    ),
    Route(
        method="POST",
        path="/v1/subscriptions",
        handler=subscribe,
        scope=Scope.ADMIN,
        summary="Tell an address of events from now on, or of others than before",
        description=(
            "The same again changes nothing. The secret is told once, when it is made; one that "
            "is there under the name keeps its own."
        ),
        body=SetSubscription,
        reply=NewSecretReply,
        problems=(BAD_INPUT, TOO_LARGE),
        tag="subscriptions",
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=shown,
        scope=Scope.READ,
        summary="Show a subscription",
        reply=SubscriptionReply,
        problems=(NOT_FOUND,),
        tag="subscriptions",
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=remove,
        scope=Scope.ADMIN,
        summary="Tell of nothing any more, and give up what is owed",
        reply=None,
        status=204,
        problems=(NOT_FOUND, BAD_INPUT),
        tag="subscriptions",
    ),
    _change("rotate", rotate, "Sign with a new secret, and with the old for a while", Scope.ADMIN),
    _change("enable", enable, "Send to a subscription again, what is owed first"),
    _change("disable", disable, "Send nothing to a subscription until it is enabled"),
    _sealing("GET", "", sealed, "Tell whether everything is withheld", Scope.READ),
    _sealing("POST", ":close", seal, "Withhold everything: nothing begins to be sent", Scope.ADMIN),
    _sealing("POST", ":open", unseal, "Let what was withheld be sent", Scope.ADMIN),
)
