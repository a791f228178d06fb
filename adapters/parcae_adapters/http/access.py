"""Who may ask what: closed by default.

A token is 256 bits of chance, so that its SHA-256 is as good as secret: nobody can try them all,
and a slow hash, made for passwords that people think up, would only slow every request down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv6Address, IPv6Network

from aiohttp import web
from attrs import Factory, field, frozen

from parcae.values import Instant, optional_instant, valid_name
from parcae_adapters.http.problems import FORBIDDEN, TOO_MANY, UNAUTHENTICATED, Problem
from parcae_adapters.http.route import IMPLIED, Caller, Scope
from parcae_adapters.http.throttle import Throttle

PREFIX = "parcae_"
"""What tokens begin with, so that scanners of leaked secrets know one when they see it."""

BITS = 256
LONGEST = 200
"""Characters of a token that anybody looks at."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="parcae"'}
NOBODY = Caller(name="", scopes=frozenset())


def new_token() -> str:
    """A token that nobody has had before."""
    return PREFIX + secrets.token_urlsafe(BITS // 8)


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _scopes(values: Iterable[str]) -> frozenset[Scope]:
    return frozenset(Scope(value) for value in values)


@frozen(kw_only=True)
class Grant:
    """What is known of one token.

    Attributes:
        name: whose it is. Several may have one name, so that one can take over from the other.
        digest: SHA-256 of the token, in hexadecimal.
        scopes: what it is good for, without what that implies.
        expires: from when on it is good for nothing; ``None``: never.
    """

    name: str = field(validator=valid_name)
    digest: str = field(repr=False)
    scopes: frozenset[Scope] = field(converter=_scopes)
    expires: Instant | None = field(default=None, converter=optional_instant)
    caller: Caller = field(
        init=False,
        default=Factory(
            lambda self: Caller(
                name=self.name,
                scopes=frozenset().union(*(IMPLIED[one] for one in self.scopes)),
            ),
            takes_self=True,
        ),
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what is no digest, or is good for nothing.

        Raises:
            ValueError: it says what was expected.
        """
        if len(self.digest) != 64 or set(self.digest) - set("0123456789abcdef"):
            raise ValueError(f"expected 64 hexadecimal digits as the hash of {self.name!r}")
        if not self.scopes:
            raise ValueError(f"expected at least one scope for {self.name!r}")


Grants = Callable[[], Sequence[Grant]]
"""The tokens that are known now: a file of them may change while the server runs."""


class Access:
    """Tells who asks, or that nobody knows them.

    Args:
        grants: the tokens that are known now.
        throttle: how often a peer may come with a wrong one.
        trusted: addresses of proxies whose ``X-Forwarded-For`` is believed.
    """

    def __init__(
        self,
        grants: Grants,
        *,
        throttle: Throttle | None = None,
        trusted: Iterable[str] = (),
    ) -> None:
        self._grants = grants
        self._throttle = Throttle() if throttle is None else throttle
        self._trusted = frozenset(trusted)

    @classmethod
    def of(
        cls, *tokens: tuple[str, str, Iterable[Scope]], throttle: Throttle | None = None
    ) -> Access:
        """Access with these (name, token, scopes), which never change."""
        grants = tuple(
            Grant(name=name, digest=digest(token), scopes=scopes) for name, token, scopes in tokens
        )
        return cls(lambda: grants, throttle=throttle)

    def caller(self, request: web.BaseRequest) -> Caller:
        """Who asks.

        Raises:
            Problem: without a token, with a wrong one, or with too many wrong ones.

        Wrong tokens cost whoever brings them, and nobody else: behind one address there may be
        many, of whom one has not heard that the token is another by now.
        """
        given = request.headers.get("Authorization")
        if given is None:
            raise Problem(
                UNAUTHENTICATED, "expected the header Authorization: Bearer …", headers=CHALLENGE
            )
        found = self._known(given)
        if found is not None:
            return found
        peer = _failing(self.peer(request))
        wait = self._throttle.wait(peer)
        if wait:
            raise Problem(
                TOO_MANY,
                "too many wrong tokens came from there",
                headers={"Retry-After": str(wait)},
            )
        self._throttle.failed(peer)
        raise Problem(UNAUTHENTICATED, "that token is not known here", headers=CHALLENGE)

    def still(self, request: web.BaseRequest, caller: Caller) -> bool:
        """Whether the token of a request that goes on for long still allows all that it did."""
        found = self._known(request.headers.get("Authorization", ""))
        return found is not None and found.scopes >= caller.scopes

    def _known(self, header: str) -> Caller | None:
        word, _, token = header.partition(" ")
        token = token.strip()
        if word.lower() != "bearer" or not token or len(token) > LONGEST:
            return None
        asked = digest(token)
        # All are compared, whether one has matched or not, each in the same time.
        matching = [one for one in self._grants() if hmac.compare_digest(one.digest, asked)]
        now = datetime.now(UTC)
        valid = (one for one in matching if one.expires is None or now < one.expires)
        return next((one.caller for one in valid), None)

    def peer(self, request: web.BaseRequest) -> str:
        """From where a request comes: behind a trusted proxy, from where the proxy says."""
        remote = request.remote or ""
        if remote not in self._trusted:
            return remote
        # Some proxies put a line of their own behind that of the client: all lines are one list.
        lines = ",".join(request.headers.getall("X-Forwarded-For", ()))
        hops = [_without_port(one.strip()) for one in lines.split(",")]
        # From the right: what stands further left anybody may have written.
        return next((one for one in reversed(hops) if one and one not in self._trusted), remote)


def _without_port(hop: str) -> str:
    """The address in a hop: some proxies write the port as well, which is another each time."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _failing(peer: str) -> str:
    """Under what the failures of a peer are counted: who has IPv6 has a whole network of it."""
    try:
        found = IPv6Address(peer)
    except ValueError:
        return peer[:LONGEST]
    return str(found.ipv4_mapped or IPv6Network((found.packed, 64), strict=False))


def allow(caller: Caller, scope: Scope | None) -> None:
    """Refuse a caller whose token is good for other things only.

    Raises:
        Problem: the scope that is needed.
    """
    if not caller.may(scope):
        raise Problem(FORBIDDEN, f"this needs a token with the scope {scope!s}")
