"""Which addresses are out in the world, and which are this machine, this network or its keepers.

A receiver's address is somebody else's word: without this, a subscription could have the server
ask its own neighbours, or the keeper of the machine's credentials, on anybody's behalf (SSRF).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")

NOT_OUTSIDE: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            # IANA's registries of special addresses, as a whole: what `is_global` says of them
            # differs between versions of Python.
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # with the keeper of Alibaba's metadata
            "127.0.0.0/8",
            "169.254.0.0/16",  # with the keepers of most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",  # with that of Oracle's
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "168.63.129.16/32",  # Azure's, which looks like any other address
            "::/128",
            "::1/128",
            "64:ff9b:1::/48",
            "100::/64",
            "100:0:0:1::/64",
            "2001::/23",  # Teredo, which hides an IPv4 address, and others
            "2001:db8::/32",
            "2002::/16",  # 6to4, which does too
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",  # with Amazon's
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)


def parsed(host: str) -> IP | None:
    """The address that ``host`` is, in the one form that everybody reads alike, or ``None``."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def outside(address: IP) -> bool:
    """Whether ``address`` is out in the world, and so is what it stands for."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return all(_outside(one) for one in _unwrapped(address))


def _outside(address: IP) -> bool:
    if any(address in network for network in _of(address)):
        return False
    # Whatever a later registry knows, a later Python knows too.
    if isinstance(address, IPv6Address) and address in _NAT64:
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def _of(address: IP) -> Iterable[Network]:
    return (one for one in NOT_OUTSIDE if one.version == address.version)


def _unwrapped(address: IP) -> Iterator[IP]:
    """The address, or those that it stands for: an IPv4 one may be dressed up as IPv6."""
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        # Where there is IPv6 only, all the world's IPv4 looks like that.
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    elif address in _COMPATIBLE:
        # The old form, ``::a.b.c.d``, is not used any more, save by who wants to slip through.
        yield IPv4Address("127.0.0.1")
    else:
        yield address


def written_oddly(host: str) -> bool:
    """Whether a name is an address that only some would take for one: ``0x7f.1``, ``2130706433``.

    The system's resolver turns these into addresses; no name of a host ends in a number.
    """
    last = host.rstrip(".").rpartition(".")[2].lower()
    if not last:
        return True
    hexadecimal = last.startswith("0x") and not set(last[2:]) - set("0123456789abcdef")
    return parsed(host) is None and (last.isdigit() or hexadecimal)
