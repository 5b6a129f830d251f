"""The story of a ban before it is given: what it would hit, so that a moderator can think twice."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import urlsplit

from gateway.clock import Clock, utc_now
from gateway.homeserver.whereabouts import Whereabouts
from gateway.rules.addresses import EmailAddress
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind
from gateway.rules.networks import IPNetwork, neighbourhood, place, plain_address
from gateway.rules.reach import PROVIDERS, is_exact, network_of, overlap, special, whole_domains
from gateway.rules.screening import hits
from gateway.settings.settings import Settings
from gateway.store import audit, precedents
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.store.precedents import GOOD, OPEN, Precedent

LOOKED_BACK = timedelta(days=90)
MOST_LOOKED_AT = 10_000  # requests, the newest; more would keep the moderator waiting
_LATELY = timedelta(days=30)
_MOST_MODERATORS = 10
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Concern:
    """Why somebody should think twice: our words, and the outside value that they are about."""

    words: str
    value: str


@dataclass(frozen=True, slots=True)
class Prospect:
    """What bans would hit. `good` of the `looked_at` who registered well lately would be hit."""

    concerns: tuple[Concern, ...]
    good: int
    looked_at: int


class Foresight:
    """Looks ahead for a moderator; changes nothing."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        whereabouts: Whereabouts,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings
        self._database = database
        self._whereabouts = whereabouts
        self._clock = clock

    async def look(self, author: Author, bans: Sequence[Ban]) -> Prospect:
        """What these bans would hit besides whom they are meant for."""
        if not bans:
            return Prospect((), 0, 0)
        networks = [network for network in map(network_of, bans) if network is not None]
        concerns = self._ranges(networks)
        if networks:
            concerns += await self._moderators(author, networks)
            concerns += await self._hosts(networks)
        concerns += self._domains(bans)
        since = self._clock() - LOOKED_BACK
        past = await self._database.read(
            lambda c: precedents.newest(c, GOOD, since, MOST_LOOKED_AT)
        )
        hit = await asyncio.to_thread(self._hit, bans, past)
        spared = _only_one(bans, hit)
        wide = [each for each, by in hit if not set(by) <= spared]
        if len(wide) > self._settings.moderation.ask_share * len(past):
            names = ", ".join(each.name for each in wide[:_MOST_NAMED])
            words = f"{len(wide)} of the last {len(past)} who registered well: "
            concerns.append(Concern(words, names + (" …" if wide[_MOST_NAMED:] else "")))
        return Prospect(tuple(dict.fromkeys(concerns)), len(hit), len(past))

    async def waiting(self, bans: Sequence[Ban]) -> list[Precedent]:
        """The open requests that bans hit: reviewed, owed a mail, or mailed without an account."""
        if not bans:
            return []
        since = self._clock() - LOOKED_BACK
        past = await self._database.read(
            lambda c: precedents.newest(c, OPEN, since, MOST_LOOKED_AT)
        )
        hit = await asyncio.to_thread(self._hit, bans, past)
        return [each for each, _ in hit]

    def _hit(
        self, bans: Sequence[Ban], past: Iterable[Precedent]
    ) -> list[tuple[Precedent, list[tuple[Kind, str]]]]:
        book, now = _book(bans), self._clock()
        found = []
        for each in past:
            address = None
            if each.email:
                local, _, domain = each.email.rpartition("@")
                address = EmailAddress(each.email, local, domain, each.email_key)
            by_kind = hits(book, place(each.ip, each.network), address, each.name, now)
            by = [(kind, value) for kind, values in by_kind.items() for value in values]
            if by:
                found.append((each, by))
        return found

    def _ranges(self, networks: Sequence[IPNetwork]) -> list[Concern]:
        ranges = dict.fromkeys(each for network in networks for each in special(network))
        found = [Concern("special ranges: ", ", ".join(ranges))] if ranges else []
        return found + [
            Concern("a trusted proxy: ", str(proxy))
            for proxy in self._settings.web.trusted_proxies
            if any(overlap(network, proxy) for network in networks)
        ]

    def _domains(self, bans: Sequence[Ban]) -> list[Concern]:
        book, now = _book(bans), self._clock()
        own = tuple({self._settings.server_name.partition(":")[0], self._settings.smtp.domain})
        found = [Concern("our own mail domain: ", each) for each in whole_domains(book, own, now)]
        providers = whole_domains(book, PROVIDERS, now)
        if providers:
            found.append(Concern("everybody at big mail providers: ", ", ".join(providers)))
        return found

    async def _moderators(self, author: Author, networks: Sequence[IPNetwork]) -> list[Concern]:
        """The networks of those who act here, and above all of whoever is about to ban."""
        since, ending = self._clock() - _LATELY, f":{self._settings.server_name}"
        acted = await self._database.read(lambda c: audit.actors(c, since, 50))
        users = [user for user in dict.fromkeys((author.who, *acted)) if user.endswith(ending)]
        users = users[:_MOST_MODERATORS]
        known = await asyncio.gather(*map(self._networks_of, users))
        hit = [
            (user, each)
            for user, theirs in zip(users, known, strict=True)
            for each in sorted(theirs, key=str)
            if any(overlap(network, each) for network in networks)
        ]
        return [
            Concern("your own network: ", str(each))
            if user == author.who
            else Concern("the network of somebody who acts here: ", f"{each} ({user})")
            for user, each in hit
        ]

    async def _networks_of(self, user: str) -> set[IPNetwork]:
        since, name = self._clock() - _LATELY, user[1:].partition(":")[0]
        asked = await self._database.read(lambda c: precedents.addresses_under(c, name, 5))
        seen = await self._whereabouts.of_user(user, since)
        return {*map(neighbourhood, {*seen, *map(plain_address, asked)})}

    async def _hosts(self, networks: Sequence[IPNetwork]) -> list[Concern]:
        settings = self._settings
        urls = (settings.homeserver.url, settings.web.public_url)
        hosts = {urlsplit(url).hostname or "" for url in urls if url} | {settings.smtp.host}
        names = sorted(hosts)
        found = await asyncio.gather(*map(self._whereabouts.of_host, names))
        return [
            Concern(f"our own server {host}: ", str(address))
            for host, addresses in zip(names, found, strict=True)
            for address in addresses
            if any(overlap(network, ip_network(address)) for network in networks)
        ]


def _book(bans: Iterable[Ban]) -> BanBook:
    book = BanBook()
    for ban in bans:
        book.add(ban)
    book.compact()
    return book


def _only_one(
    bans: Iterable[Ban], hit: Iterable[tuple[Precedent, list[tuple[Kind, str]]]]
) -> set[tuple[Kind, str]]:
    """The bans on a single address that hit just one: he is the one who is meant."""
    counts = Counter(each for _, by in hit for each in by)
    exact = {(ban.kind, ban.value) for ban in bans if is_exact(ban)}
    return {each for each in exact if counts[each] == 1}
