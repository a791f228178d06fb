"""Signatures of Standard Webhooks 1.0, made by its own library: its only importer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from parcae.deliveries import webhook_id
from parcae.outbox import Dispatch
from parcae.outbox_engine import OutboxEngine
from parcae.subscriptions import Subscription

REMEMBERED = 5_000
"""Secrets that are kept at hand: as many as all subscriptions there may be can have."""


class Unsigned(Exception):
    """Secrets of a subscription are not there, or are none. Nothing is sent without them."""


class Signer:
    """Signs with all secrets of a subscription that count.

    Args:
        engine: knows the secrets.
    """

    def __init__(self, engine: OutboxEngine) -> None:
        self._engine = engine
        self._clock = engine.store.clock
        self._known: OrderedDict[str, Webhook] = OrderedDict()

    async def headers(self, one: Dispatch, now: datetime) -> Mapping[str, str]:
        """The headers of one try: the id is the same for all, the time and with it the rest not.

        Args:
            one: what is sent.
            now: the present instant, by which receivers know an old message from a new one.

        Raises:
            Unsigned: a secret is not there, or is none.
        """
        now = now.astimezone(UTC)
        name = webhook_id(one.delivery)
        found = {"webhook-id": name, "webhook-timestamp": str(int(now.timestamp()))}
        if not one.subscription.secrets:
            return found
        body = one.body.decode("utf-8")
        keys = await self._keys(one.subscription)
        found["webhook-signature"] = " ".join(key.sign(name, now, body) for key in keys)
        return found

    async def _keys(self, subscription: Subscription) -> list[Webhook]:
        digests = [one.blob.digest for one in subscription.signed_with(self._clock.now())]
        if not all(one in self._known for one in digests):
            await self._learn(subscription)
        try:
            return [self._known[one] for one in digests]
        except KeyError:
            raise Unsigned("a secret of the subscription is not there") from None

    async def _learn(self, subscription: Subscription) -> None:
        now = self._clock.now()
        names = [one.blob.digest for one in subscription.signed_with(now)]
        secrets = await self._engine.secrets(subscription)
        if len(secrets) != len(names):
            raise Unsigned("a secret of the subscription is not there")
        for digest, secret in zip(names, secrets, strict=True):
            try:
                self._known[digest] = Webhook(secret.decode())
            except (ValueError, RuntimeError, EmptyWebhookSecretError):
                # What the library says could be a part of it.
                raise Unsigned("a secret of the subscription is none: rotate it") from None
            self._known.move_to_end(digest)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
