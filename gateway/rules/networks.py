"""Networks: read from text, and a set of a million of them asked in a microsecond.

An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address everywhere.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def parse_network(text: str) -> IPNetwork:
    """An address or network, host bits masked. Raises ValueError with one sentence."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is no address or network: write 203.0.113.7, 203.0.113.0/24 or"
            " 2001:db8::/32"
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"{text[:60]!r} is every address there is: pause the desk instead")
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.subnet_of(_MAPPED):
        low = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((low, network.prefixlen - 96))
    return network


def plain_address(text: str) -> IPAddress:
    """An address, out of its IPv6 wrapping. Raises ValueError."""
    address = ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def neighbourhood(address: IPAddress) -> IPNetwork:
    """The network that is probably one customer's or one street's: /24 or /64."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), 24), strict=False)
    return IPv6Network((int(address), 64), strict=False)


def written(network: IPNetwork) -> str:
    """How a network stands in a ban file: a single address without its prefix length."""
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


class NetworkSet:
    """Networks by prefix length, so that a look-up costs one probe for each length in use."""

    def __init__(self) -> None:
        self._by_length: dict[tuple[int, int], set[int]] = {}

    def add(self, network: IPNetwork) -> None:
        key = (network.version, network.max_prefixlen - network.prefixlen)
        bits = int(network.network_address) >> key[1]
        self._by_length.setdefault(key, set()).add(bits)

    def discard(self, network: IPNetwork) -> None:
        key = (network.version, network.max_prefixlen - network.prefixlen)
        lengths = self._by_length.get(key)
        if lengths is not None:
            lengths.discard(int(network.network_address) >> key[1])
            if not lengths:
                del self._by_length[key]

    def holding(self, address: IPAddress) -> list[IPNetwork]:
        """The networks of the set that hold `address`."""
        number, version = int(address), address.version
        kind = IPv4Network if version == 4 else IPv6Network
        return [
            kind((number >> shift << shift, address.max_prefixlen - shift))
            for (of_version, shift), members in self._by_length.items()
            if of_version == version and number >> shift in members
        ]

    def __contains__(self, network: IPNetwork) -> bool:
        shift = network.max_prefixlen - network.prefixlen
        members = self._by_length.get((network.version, shift), ())
        return int(network.network_address) >> shift in members

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))
