"""Where webhooks may go: nasty addresses, names that change their meaning, sockets that connect."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiohttp import ClientConnectorError, ClientError, web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from parcae_adapters.http.addresses import NOT_OUTSIDE, outside, parsed
from parcae_adapters.http.guard import Allowed, Forbidden, Guard, parsed_url
from parcae_adapters.http.outbound import client_session

LOCAL = Allowed(hosts=["localhost"], http=True)

INSIDE = """
127.0.0.1 127.8.9.1 0.0.0.0 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
100.100.100.200 192.0.0.192 168.63.129.16 224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1
198.18.0.1 192.88.99.1 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 ::8.8.8.8
::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
2002:808:808:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo
fec0::1 ff02::1 2001:db8::1 100::1
""".split()

OUTSIDE = """
8.8.8.8 1.1.1.1 93.184.216.34 172.32.0.1 100.128.0.1 2606:2800:220:1:248:1893:25c8:1946
2a00:1450:4001::1 64:ff9b::808:808 ::ffff:8.8.8.8
""".split()

ODD = """
https://2130706433/ https://0x7f000001/ https://0x7f.1/ https://127.1/ https://0177.0.0.1/
https://017700000001/ https://0/ https://1.2.3/ https://127.0.0.1./x https://[fe80::1%25lo]/
https://user@example.com/ https://user:pa55@example.com/ https://@example.com/
https://example.com@127.0.0.1/ https://example.com/#part https:///nothing https://
ftp://example.com/ file:///etc/passwd https://example.com:0/ https://example.com:99999/
https://exa%6dple.0x7f/ https://example.com\\@127.0.0.1/ https://example.com\\x
""".split()


@pytest.mark.parametrize("address", INSIDE)
def test_given_an_address_that_is_not_public_then_nothing_goes_there(address: str) -> None:
    guard = Guard()
    assert not outside(ip_address(address))
    assert not guard.permits("example.com", address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ValueError, match="expected"):
        guard.check(f"https://{host}/")


@pytest.mark.parametrize("address", OUTSIDE)
def test_given_a_public_address_then_webhooks_go_there(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert Guard().check(f"https://{host}/hooks").path == "/hooks"
    assert Guard().permits("example.com", address)


@pytest.mark.parametrize("url", ODD)
def test_given_an_address_that_not_all_read_alike_then_it_is_refused_untold(url: str) -> None:
    """Even where everything is allowed: nobody writes so who means well."""
    everything = Allowed(networks=["0.0.0.0/0", "::/0"], http=True)
    with pytest.raises(ValueError, match="expected") as caught:
        Guard(everything).check(url)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("port", [22, 25, 53, 110, 389, 1023])
def test_given_a_port_of_another_protocol_then_it_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="expected port"):
        Guard().check(f"https://example.com:{port}/")


@pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
def test_given_a_port_that_may_be_anybodys_then_it_is_taken(port: int) -> None:
    assert Guard().check(f"https://example.com:{port}/").port == port


def test_given_http_then_it_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(ValueError, match="expected https"):
        Guard().check("http://example.com/")
    assert Guard(Allowed(http=True)).check("http://example.com/").scheme == "http"


@pytest.mark.parametrize("blank", ["\t", "\r\n", " ", "\x00", "\u2028"])
def test_given_blanks_in_an_address_then_it_is_refused_for_who_reads_it_reads_another(
    blank: str,
) -> None:
    for address in (f"https://exa{blank}mple.com/", f"https://example.com/{blank}X:1"):
        with pytest.raises(ValueError, match="without blanks"):
            Guard().check(address)


def test_given_names_in_other_letters_then_they_are_compared_as_machines_write_them() -> None:
    guard = Guard(Allowed(hosts=["HOOKS.internal."]))
    assert guard.permits("hooks.INTERNAL", "10.0.0.1")
    assert guard.permits("hooks.internal.", "10.0.0.1")
    assert not guard.permits("other.internal", "10.0.0.1")
    # Full-width letters and a dotless dot become plain ones before anybody looks.
    assert Guard().check("https://\uff45xample\u3002com/").raw_host == "example.com"
    with pytest.raises(ValueError, match="expected"):
        Guard().check("https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/")
    with pytest.raises(ValueError, match="expected"):
        Guard().check("https://\u2460\u2461\u2466.1/")


def test_given_an_allowed_network_then_what_is_in_it_may_be_reached_however_dressed() -> None:
    guard = Guard(Allowed(networks=["10.1.0.0/16"]))
    assert guard.permits("a.example", "10.1.2.3")
    assert guard.permits("a.example", "::ffff:10.1.2.3")
    assert not guard.permits("a.example", "10.2.0.1")
    assert guard.check("https://10.1.2.3/").host == "10.1.2.3"


@given(st.ip_addresses(v=4))
def test_given_any_address_dressed_up_as_another_then_it_is_judged_as_what_it_is(
    address: IPv4Address,
) -> None:
    number = int(address)
    for dressed in (IPv6Address(0xFFFF_0000_0000 + number), IPv6Address((0x64FF9B << 96) + number)):
        assert outside(dressed) == outside(address)
    for hidden in (IPv6Address(number), IPv6Address((0x2002 << 112) + (number << 80))):
        assert not outside(hidden)


@given(st.sampled_from(NOT_OUTSIDE).flatmap(lambda one: st.ip_addresses(network=one)))
def test_given_any_address_of_a_special_network_then_it_is_not_outside(
    address: IPv4Address | IPv6Address,
) -> None:
    assert not outside(address)


@given(st.ip_addresses())
def test_given_an_address_then_outside_never_says_more_than_python_does(
    address: IPv4Address | IPv6Address,
) -> None:
    nat64 = ip_network("64:ff9b::/96")
    dressed = address.version == 6 and (address in nat64 or address.ipv4_mapped)
    assert dressed or not outside(address) or address.is_global


@given(st.text(max_size=40))
def test_given_any_text_then_it_is_an_address_or_refused(text: str) -> None:
    try:
        found = parsed_url(f"https://{text}")
    except ValueError:
        return
    host = found.raw_host
    assert host
    assert parsed(host) is not None or not host.rstrip(".").rpartition(".")[2].isdigit()
    assert found.raw_user is None


class Names(AbstractResolver):
    """A server of names that says something else each time it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in answer
        ]

    async def close(self) -> None:
        """Nothing to let go of."""


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[int, list[str]]]:
    """Somebody who listens on the loopback: the port, and who was reached."""
    reached: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(request.host)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], reached
    finally:
        await runner.cleanup()


async def _post(guard: object, url: str) -> int:
    async with (
        client_session(policy=guard) as session,  # type: ignore[arg-type]
        session.post(url, data=b"", allow_redirects=False) as response,
    ):
        return response.status


def test_given_a_host_allowed_by_name_when_it_is_on_the_loopback_then_it_is_reached() -> None:
    async def main() -> None:
        async with receiver() as (port, reached):
            assert await _post(Guard(LOCAL), f"http://localhost:{port}/") == 200
            assert len(reached) == 1

    asyncio.run(main())


def test_given_a_literal_address_which_no_name_leads_to_then_the_socket_is_refused() -> None:
    """Addresses written as such are never resolved: only at the socket are they seen."""

    async def main() -> None:
        async with receiver() as (port, reached):
            for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
                with pytest.raises(ClientConnectorError) as caught:
                    await _post(Guard(LOCAL), f"http://{host}:{port}/")
                assert isinstance(caught.value.os_error, Forbidden)
            assert reached == []

    asyncio.run(main())


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_given_an_odd_address_that_the_system_understands_then_the_session_refuses_it(
    host: str,
) -> None:
    async def main() -> None:
        async with receiver() as (port, reached):
            with pytest.raises(ClientError):
                await _post(Guard(), f"http://{host}:{port}/")
            assert reached == []

    asyncio.run(main())


def test_given_a_name_of_several_addresses_when_one_is_inside_then_none_is_used() -> None:
    async def main() -> None:
        names = Names(["93.184.216.34", "127.0.0.1"])
        guard = Guard(resolver=lambda: names)
        async with receiver() as (port, reached):
            with pytest.raises(ClientConnectorError) as caught:
                await _post(guard, f"http://rebind.example:{port}/")
            assert isinstance(caught.value.os_error, Forbidden)
            assert names.asked == 1
            assert reached == []

    asyncio.run(main())


class Believing(Guard):
    """A guard that believes the first look at the name, as those do that can be deceived."""

    def resolver(self) -> AbstractResolver:
        return self._resolver()


def test_given_a_name_that_changes_between_the_look_and_the_connection_then_it_is_refused() -> None:
    """DNS rebinding: the first answer is public, and the one that is connected to is not."""

    async def main() -> None:
        names = Names(["93.184.216.34"], ["127.0.0.1"])
        guard = Believing(resolver=lambda: names)
        looked = await names.resolve("rebind.example")
        assert guard.permits("rebind.example", looked[0]["host"])
        async with receiver() as (port, reached):
            with pytest.raises(ClientConnectorError) as caught:
                await _post(guard, f"http://rebind.example:{port}/")
            assert isinstance(caught.value.os_error, Forbidden)
            assert names.asked == 2
            assert reached == []

    asyncio.run(main())


def test_given_a_proxy_in_the_environment_then_nobody_goes_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with receiver() as (proxy, asked), receiver() as (port, reached):
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
            assert await _post(Guard(LOCAL), f"http://localhost:{port}/") == 200
            assert (asked, len(reached)) == ([], 1)

    asyncio.run(main())
