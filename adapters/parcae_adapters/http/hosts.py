"""Which names a server answers to: against pages whose name is made to mean this machine."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from parcae_adapters.http.problems import FORBIDDEN, MISDIRECTED, Problem

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """Names and addresses by which a server is asked, and from whose pages.

    A page of a foreign name that is made to resolve to 127.0.0.1 (DNS rebinding) carries that name
    in ``Host``; a page of another origin carries it in ``Origin``.

    Args:
        names: without ports; ``None``: any.
    """

    def __init__(self, names: Iterable[str] | None) -> None:
        self._names = None if names is None else frozenset(one.lower() for one in names)

    @classmethod
    def any(cls) -> Hosts:
        """No name is refused: a proxy before the server knows better."""
        return cls(None)

    def check(self, request: web.BaseRequest) -> None:
        """Refuse a request to another name, or from the page of another origin.

        Raises:
            Problem: which name was not expected is not repeated: it is the caller's own.
        """
        origin = request.headers.get("Origin")
        if self._names is None and origin is None:
            return
        host = request.headers.get("Host", "")
        if self._names is not None and _name(host) not in self._names:
            raise Problem(MISDIRECTED, "this server does not answer to the name in Host")
        if origin is not None and urlsplit_host(origin) != host.lower():
            raise Problem(FORBIDDEN, "pages of another origin may not ask here")


def _name(host: str) -> str:
    if set(host) & set("@/?#\\"):
        return ""  # No name: the part that a parser takes for one could be chosen to please it.
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
