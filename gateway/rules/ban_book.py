"""The book of bans: which of a million hold an applicant, answered at once.

What was banned, by whom and why stands in the lines of the ban files; the book only knows the
values, when they end, and which of them ask for a person's look instead of refusing.
"""

from collections.abc import Iterable
from datetime import datetime

from gateway.rules.addresses import EmailAddress, folded
from gateway.rules.bans import Ban, Kind
from gateway.rules.globs import expression, is_glob
from gateway.rules.networks import IPAddress, NetworkSet
from gateway.rules.patterns import PatternSet


class BanBook:
    """What is banned, ready to be asked; who banned it and why stays in the files."""

    def __init__(self) -> None:
        self._networks = NetworkSet()
        self._addresses: set[str] = set()
        self._globs = PatternSet()
        self._names = PatternSet()
        self._ends: dict[tuple[Kind, str], datetime] = {}
        self._reviews: set[tuple[Kind, str]] = set()

    def add(self, ban: Ban) -> None:
        """Of two bans on one value the longer one holds; one that refuses holds before a review."""
        key = (ban.kind, ban.value)
        known = self.holds(ban.kind, ban.value)
        only_reviewed = key in self._reviews
        if known and ban.review and not only_reviewed:
            return  # read again once the other has left the file
        if ban.review:
            self._reviews.add(key)
        else:
            self._reviews.discard(key)
        if only_reviewed and not ban.review:
            known = False
        if ban.until is None:
            self._ends.pop(key, None)
        elif not known:
            self._ends[key] = ban.until
        elif key in self._ends:
            self._ends[key] = max(ban.until, self._ends[key])
        if ban.kind is Kind.IP:
            self._networks.add(ban.value)
        elif ban.kind is Kind.NAME:
            self._names.add(ban.value, ban.value)
        elif is_glob(ban.value):
            self._globs.add(ban.value, expression(ban.value))
        else:
            self._addresses.add(ban.value)

    def holds(self, kind: Kind, value: str) -> bool:
        """Whether this very value stands in the book, expired or not."""
        if kind is Kind.IP:
            return value in self._networks
        if kind is Kind.NAME:
            return value in self._names
        return value in self._addresses or value in self._globs

    def covers(self, ban: Ban) -> bool:
        """Whether `ban` would change nothing: its value is banned for as long or longer."""
        if not self.holds(ban.kind, ban.value):
            return False
        if self.only_reviews(ban.kind, ban.value) and not ban.review:
            return False
        end = self._ends.get((ban.kind, ban.value))
        return end is None or (ban.until is not None and ban.until <= end)

    def adopt(self, kind: Kind, other: "BanBook") -> None:
        """Take everything of one kind from another book, in place of what stood here."""
        ends = {key: end for key, end in self._ends.items() if key[0] is not kind}
        ends |= {key: end for key, end in other._ends.items() if key[0] is kind}
        reviews = {key for key in self._reviews if key[0] is not kind}
        reviews |= {key for key in other._reviews if key[0] is kind}
        # Whoever asks in between must not be told of a ban without its end.
        self._ends = self._ends | ends
        if kind is Kind.IP:
            self._networks = other._networks
        elif kind is Kind.NAME:
            self._names = other._names
        else:
            self._addresses, self._globs = other._addresses, other._globs
        self._ends = ends
        self._reviews = reviews

    def only_reviews(self, kind: Kind, value: str) -> bool:
        """Whether what this value hits waits for a person's look, instead of being refused."""
        return (kind, value) in self._reviews

    def networks(self, address: IPAddress, now: datetime) -> list[str]:
        """The banned networks that hold an address."""
        return self._living(Kind.IP, self._networks.holding(address), now)

    def addresses(self, address: EmailAddress, now: datetime) -> list[str]:
        """The bans that hit an e-mail address: itself, its domain or one above it, globs."""
        found = [address.key] if address.key in self._addresses else []
        for domain in dict.fromkeys((address.domain, address.key.rpartition("@")[2])):
            labels = domain.split(".")
            parents = ("@" + ".".join(labels[at:]) for at in range(len(labels)))
            found += [parent for parent in parents if parent in self._addresses]
        if self._globs:
            for text in dict.fromkeys((folded(address.text), address.key)):
                found += self._globs.matching(text)
        return self._living(Kind.EMAIL, dict.fromkeys(found), now)

    def names(self, name: str, now: datetime) -> list[str]:
        """The patterns found in a name."""
        return self._living(Kind.NAME, self._names.matching(name), now)

    def expired(self, now: datetime) -> list[tuple[Kind, str]]:
        """The bans whose time is over."""
        return [key for key, end in list(self._ends.items()) if end <= now]

    @property
    def is_crowded(self) -> bool:
        """Whether `compact` is worth its time."""
        return self._names.is_crowded or self._globs.is_crowded

    def compact(self) -> None:
        """Make the patterns fast again; may run in another thread."""
        self._names.compact()
        self._globs.compact()

    def __len__(self) -> int:
        return len(self._networks) + len(self._addresses) + len(self._globs) + len(self._names)

    def _living(self, kind: Kind, values: Iterable[str], now: datetime) -> list[str]:
        ends = self._ends
        return [v for v in values if (end := ends.get((kind, v))) is None or end > now]
