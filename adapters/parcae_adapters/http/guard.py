"""Where webhooks may go: out into the world by https, and nowhere else unless an operator says so.

The address is held against this when it is written down, when its name has been resolved, and when
a socket is about to connect, which is the one that counts: between the other two, and after them,
whoever owns the name may have it mean something else (DNS rebinding).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_network

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import field, frozen
from yarl import URL

from parcae_adapters.http.addresses import Network, outside, parsed, written_oddly
from parcae_adapters.http.outbound import Address

WELL_KNOWN = (80, 443)
FIRST_FREE = 1_024
"""Below are ports of other protocols: mail, shells, directories. Two of them are for HTTP."""


class Forbidden(OSError):
    """A connection would go where none may go. It says why, and no more than the host."""


def _hosts(given: Iterable[str]) -> frozenset[str]:
    return frozenset(_bare(one) for one in given)


def _networks(given: Iterable[str | Network]) -> tuple[Network, ...]:
    return tuple(ip_network(str(one)) for one in given)


def _bare(host: str) -> str:
    return host.rstrip(".").strip("[]").lower()


@frozen(kw_only=True)
class Allowed:
    """What an operator lets webhooks reach beyond the open world.

    Attributes:
        hosts: these, by the names that addresses have them, wherever they are, on any port.
        networks: whatever is there: ``10.1.0.0/16``.
        http: without TLS, too.
    """

    hosts: frozenset[str] = field(default=frozenset(), converter=_hosts)
    networks: tuple[Network, ...] = field(default=(), converter=_networks)
    http: bool = False


class Guard:
    """Lets connections go where they may: a policy of :mod:`parcae_adapters.http.outbound`.

    Args:
        allowed: what an operator has said.
        resolver: what finds the addresses of names; by default the system.
    """

    def __init__(
        self,
        allowed: Allowed | None = None,
        *,
        resolver: Callable[[], AbstractResolver] = ThreadedResolver,
    ) -> None:
        self.allowed = Allowed() if allowed is None else allowed
        self._resolver = resolver

    def check(self, url: str) -> URL:
        """The address, once it is seen that a webhook may be sent there, as far as it tells.

        Raises:
            ValueError: it may not; says what was expected, and nothing of the address but its host.
        """
        found = parsed_url(url)
        if found.scheme == "http" and not self.allowed.http:
            raise ValueError("expected https: http is refused unless the operator allows it")
        host = found.raw_host or ""
        if _bare(host) in self.allowed.hosts:
            return found
        literal = parsed(host)
        if literal is not None and not self._reachable(host):
            raise ValueError(f"expected a public address, and {host} is none")
        port = found.port or 0
        if port not in WELL_KNOWN and port < FIRST_FREE:
            raise ValueError(f"expected port 80, 443, or one from {FIRST_FREE} on, got {port}")
        return found

    def resolver(self) -> AbstractResolver:
        """One that finds no address to which no connection may go."""
        return _Resolver(self._resolver(), self)

    def permit(self, host: str, address: Address) -> None:
        """Let a connection for ``host`` go to ``address``.

        Raises:
            Forbidden: it may not.
        """
        if not self.permits(host, str(address[4][0])):
            raise Forbidden(f"{host} is at an address that is not public")

    def permits(self, host: str, address: str) -> bool:
        """Whether a connection for ``host`` may go to ``address``."""
        return _bare(host) in self.allowed.hosts or self._reachable(address)

    def _reachable(self, address: str) -> bool:
        found = parsed(address)
        if found is None:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        inside = any(one.version == mapped.version and mapped in one for one in self._networks)
        return inside or outside(found)

    @property
    def _networks(self) -> tuple[Network, ...]:
        return self.allowed.networks


def parsed_url(url: str) -> URL:
    """The address, if it is one that anything could ever be sent to.

    Raises:
        ValueError: it is none; says what was expected, and nothing of the address.
    """
    if not url.isprintable() or " " in url:
        # Some leave such characters out, and then it is another address than the one that is read.
        raise ValueError("expected an address without blanks and control characters")
    try:
        found = URL(url)
        port = found.port
    except ValueError:
        raise ValueError("expected an address such as https://example.com/hooks") from None
    if found.scheme not in ("http", "https") or not found.raw_host or not port:
        raise ValueError("expected an address such as https://example.com/hooks")
    authority = re.split(r"[/?#]", url.partition("//")[2])[0]
    if found.raw_user is not None or found.raw_password is not None or "@" in authority:
        raise ValueError("expected an address without a user and a password")
    if "#" in url or "\\" in url:
        raise ValueError("expected an address without a fragment, and without a backslash")
    if "%" in found.raw_host or written_oddly(found.raw_host):
        raise ValueError("expected the name of a host, or an address written in the usual way")
    return found


class _Resolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is one to which nothing may go."""

    def __init__(self, resolver: AbstractResolver, guard: Guard) -> None:
        self._resolver = resolver
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            Forbidden: one of them is not public, so that none can be trusted.
        """
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            if not self._guard.permits(host, one["host"]):
                raise Forbidden(f"{host} is at an address that is not public")
        return found

    async def close(self) -> None:
        """Let go of what resolves."""
        await self._resolver.close()
