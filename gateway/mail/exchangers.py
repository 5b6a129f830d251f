"""Where mail for a domain goes: the hosts that its MX records name, asked over DNS.

A question takes three seconds at most. Answers are kept as long as the DNS allows, five minutes at
most, and a thousand of them.
"""

import asyncio
import time

import dns.asyncresolver
import dns.name
import dns.resolver
from dns.exception import DNSException

_PATIENCE = 3.0  # seconds for one domain, with all that has to be asked
_KEPT_FOR = 300.0  # seconds
_KEPT = 1000  # answers


class NoWord(Exception):
    """The DNS does not answer, or not with an answer: nothing is known about the domain."""


class _Shortly(dns.resolver.LRUCache):
    """Without the bound, a "no such domain" that names no time would be kept for ever."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        value.expiration = min(value.expiration, time.time() + _KEPT_FOR)
        super().put(key, value)


class Exchangers:
    """Asks one name server, given as address and port, or those that the system asks."""

    def __init__(self, name_server: tuple[str, int] | None) -> None:
        self._name_server = name_server
        self._cache = _Shortly(_KEPT)

    async def of(self, domain: str) -> tuple[str, ...]:
        """The hosts that take mail for an ASCII domain, in lower case; none when nobody does.

        A domain without MX records that has an address takes its mail itself (RFC 5321 5.1); one
        whose MX record names the root takes none (RFC 7505). Raises NoWord.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._find(self._resolver(), domain)
        except (DNSException, OSError) as error:  # a time-out is an OSError
            raise NoWord("the DNS does not say where mail for this domain goes") from error

    async def _find(self, resolver: dns.asyncresolver.Resolver, domain: str) -> tuple[str, ...]:
        try:
            found = await resolver.resolve(f"{domain}.", "MX")
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.resolver.NoAnswer:
            return (domain,) if await self._has_address(resolver, domain) else ()
        hosts = [each.exchange for each in found if each.exchange != dns.name.root]
        return tuple(host.to_text(omit_final_dot=True).lower() for host in hosts)

    @staticmethod
    async def _has_address(resolver: dns.asyncresolver.Resolver, domain: str) -> bool:
        for kind in ("A", "AAAA"):
            try:
                await resolver.resolve(f"{domain}.", kind)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            return True
        return False

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """A new one each time: the system may ask another name server by now."""
        resolver = dns.asyncresolver.Resolver(configure=self._name_server is None)
        if self._name_server is not None:
            resolver.nameservers, resolver.port = [self._name_server[0]], self._name_server[1]
        resolver.cache = self._cache
        return resolver
