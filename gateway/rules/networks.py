"""Networks: read from text, and a set of a million of them asked in a microsecond.

An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address everywhere.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_MAPPED = 0xFFFF  # the upper 96 bits of an IPv4 address in IPv6 clothes


def canonical_network(text: str) -> str:
    """How a network stands in a ban file: masked, a single address without its prefix length.

    Raises ValueError with one sentence.
    """
    version, number, length = _read(text)
    bits = 32 if version == 4 else 128
    masked = number >> (bits - length) << (bits - length)
    family = AF_INET if version == 4 else AF_INET6
    address = inet_ntop(family, masked.to_bytes(bits // 8, "big"))
    return address if length == bits else f"{address}/{length}"


def _read(text: str) -> tuple[int, int, int]:
    """Version, number and prefix length: a million lines are read so in a few seconds."""
    address, slash, length = text.strip().partition("/")
    version = 6 if ":" in address else 4
    bits = 32 if version == 4 else 128
    try:
        family = AF_INET if version == 4 else AF_INET6
        number = int.from_bytes(inet_pton(family, address), "big")
        if not slash:
            prefix = bits
        elif length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= bits:
            prefix = int(length)
        else:
            # A netmask (255.255.255.0), or nonsense.
            prefix = ip_network(f"{address}/{length}", strict=False).prefixlen
    except (OSError, ValueError):
        raise ValueError(
            f"{text[:60]!r} is no address or network: write 203.0.113.7, 203.0.113.0/24 or"
            " 2001:db8::/32"
        ) from None
    if prefix == 0:
        raise ValueError(f"{text[:60]!r} is every address there is: pause the desk instead")
    if version == 6 and prefix >= 96 and number >> 32 == _MAPPED:
        return 4, number & 0xFFFFFFFF, _not_all(prefix - 96, text)
    return version, number, prefix


def _not_all(prefix: int, text: str) -> int:
    if prefix == 0:
        raise ValueError(f"{text[:60]!r} is every address there is: pause the desk instead")
    return prefix


def plain_address(text: str) -> IPAddress:
    """An address, out of its IPv6 wrapping and without its zone (`%eth0`). Raises ValueError."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def neighbourhood(address: IPAddress) -> IPNetwork:
    """The network that is probably one customer's or one street's: /24 or /64."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), 24), strict=False)
    return IPv6Network((int(address), 64), strict=False)


def place(ip: str, network: str) -> IPAddress | None:
    """From where somebody came: of an address that is kept no more the first of its network, which
    stands for the others; None when that is not kept either."""
    if ip:
        return plain_address(ip)
    return ip_network(network).network_address if network else None


def wide_neighbourhood(address: IPAddress) -> IPv6Network | None:
    """The /48 around an IPv6 address: often one customer's too. None for IPv4."""
    if isinstance(address, IPv4Address):
        return None
    return IPv6Network((int(address), 48), strict=False)


class NetworkSet:
    """Networks by prefix length, so that a look-up costs one probe for each length in use."""

    def __init__(self) -> None:
        self._by_length: dict[tuple[int, int], set[int]] = {}

    def add(self, network: str) -> None:
        key, bits = self._place(network)
        self._by_length.setdefault(key, set()).add(bits)

    def holding(self, address: IPAddress) -> list[str]:
        """The networks of the set that hold `address`, as they are written."""
        number, version = int(address), address.version
        return [
            canonical_network(f"{address}/{address.max_prefixlen - shift}")
            for (of_version, shift), members in list(self._by_length.items())
            if of_version == version and number >> shift in members
        ]

    def __contains__(self, network: str) -> bool:
        key, bits = self._place(network)
        return bits in self._by_length.get(key, ())

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))

    @staticmethod
    def _place(network: str) -> tuple[tuple[int, int], int]:
        version, number, length = _read(network)
        shift = (32 if version == 4 else 128) - length
        return (version, shift), number >> shift
