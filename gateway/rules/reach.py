"""The reach of a ban: whether it hits what few moderators mean to hit."""

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_network

from gateway.rules.addresses import EmailAddress, address_key
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind
from gateway.rules.globs import is_glob
from gateway.rules.networks import IPNetwork

# https://www.iana.org/assignments/iana-ipv4-special-registry and its sister for IPv6. The networks
# of documentation are nobody's, and harmless.
_SPECIAL = {
    "this machine": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "shared by a provider's customers": ("100.64.0.0/10",),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "no sender's": ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "::/128"),
    "all of IPv4 behind a translator": ("64:ff9b::/96",),
}
_RANGES = [(ip_network(text), name) for name, texts in _SPECIAL.items() for text in texts]

PROVIDERS = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
    *("yahoo.com", "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "gmx.com", "web.de"),
    *("t-online.de", "freenet.de", "mail.com", "proton.me", "protonmail.com", "pm.me"),
    *("fastmail.com", "posteo.de", "mailbox.org", "tutanota.com", "tuta.com", "zoho.com"),
    *("orange.fr", "laposte.net", "free.fr", "libero.it", "mail.ru", "yandex.ru", "yandex.com"),
    *("qq.com", "163.com", "126.com", "naver.com", "comcast.net", "disroot.org", "riseup.net"),
)
_ANYBODY = ("zq7x", "anna.b93")  # two who have nothing in common


def network_of(ban: Ban) -> IPNetwork | None:
    """The network that a ban is on; None for other kinds."""
    return ip_network(ban.value) if ban.kind is Kind.IP else None


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    """Whether two networks have an address in common, of whichever version they are."""
    return one.version == other.version and one.overlaps(other)


def special(network: IPNetwork) -> list[str]:
    """What there is of special ranges in a network: `10.0.0.0/8 (private)`."""
    return [f"{each} ({name})" for each, name in _RANGES if overlap(network, each)]


def is_exact(ban: Ban) -> bool:
    """Whether a ban is on a single address, which can hit one person only."""
    if ban.kind is Kind.IP:
        return "/" not in ban.value
    return ban.kind is Kind.EMAIL and not is_glob(ban.value) and not ban.value.startswith("@")


def holds_network(met: Iterable[tuple[Kind, str]], network: str) -> bool:
    """Whether one of some bans is on all of a network."""
    wanted = ip_network(network)
    return any(_holds(ip_network(value), wanted) for kind, value in met if kind is Kind.IP)


def _holds(wide: IPNetwork, narrow: IPNetwork) -> bool:
    return overlap(wide, narrow) and wide.prefixlen <= narrow.prefixlen


def holds_domain(met: Iterable[tuple[Kind, str]], domain: str) -> bool:
    """Whether one of some bans is on all of a mail domain."""
    values = {value for kind, value in met if kind is Kind.EMAIL}
    labels = domain.split(".")
    return any("@" + ".".join(labels[at:]) in values for at in range(len(labels)))


def whole_domains(book: BanBook, domains: tuple[str, ...], now: datetime) -> list[str]:
    """Those of some mail domains of which every address is hit."""
    return [
        domain
        for domain in domains
        if all(book.addresses(_address(local, domain), now) for local in _ANYBODY)
    ]


def _address(local: str, domain: str) -> EmailAddress:
    return EmailAddress(f"{local}@{domain}", local, domain, address_key(local, domain))
