"""What a value in the configuration may be: each way of writing one, read into its type."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from croniter import CroniterBadDateError, croniter
from pydantic import BeforeValidator, Field, ValidationInfo

from gateway.rules.addresses import parse_domain
from gateway.rules.durations import parse_duration
from gateway.rules.limits import Limit, parse_limit


def _duration(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a span of time such as 7d, 12h or 1h30m")
    return parse_duration(str(value))


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError("must be a limit such as 10 per 1h")
    return parse_limit(value)


def _limits(value: object) -> tuple[Limit, ...]:
    if value is None:
        return ()
    return tuple(map(_limit, value if isinstance(value, list) else [value]))


def _share(value: object) -> float:
    number = value.removesuffix("%").strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", number) or float(number) > 100:
        raise ValueError("must be a share from 0% to 100%, such as 5%")
    return float(number) / 100


def _human_check(value: object) -> object:
    return "off" if value is False else value  # YAML reads a bare off as false


def _size(value: object) -> int:
    found = re.fullmatch(r"([0-9]{1,9}) ?([KMGT]i)?B", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a size such as 500MiB or 2GiB")
    return int(found[1]) << (10 * " KMGT".index(found[2][0]) if found[2] else 0)


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError("must be an address or network in quotes, such as '10.0.0.0/8'")
    return ip_network(value, strict=False)


def _domain(value: object) -> str:
    try:
        if isinstance(value, str):
            return parse_domain(value)
    except ValueError:
        pass
    raise ValueError("must be a domain, such as example.org; those below it are meant too")


def _name_server(value: object) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-f:]+)\]|([0-9.]+)):([0-9]{1,5})", str(value))
    try:
        if found is not None and 0 < int(found[3]) < 65536:
            return str(ip_address(found[1] or found[2])), int(found[3])
    except ValueError:
        pass
    raise ValueError("must be an IP address and a port, such as 127.0.0.53:53 or '[::1]:53'")


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path")
    return Path((info.context or {}).get("folder", "."), value)


def _cron(value: object) -> str:
    if not isinstance(value, str) or len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError("must be five cron fields, such as '0 0 * * 1' for Mondays at 00:00 UTC")
    if re.search("(?i)(?<![a-z])r(?![a-z])", value):
        raise ValueError("must be fixed times: R stands for another one each time it is read")
    try:
        croniter(value, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
    except CroniterBadDateError:
        raise ValueError(f"must be a time that comes: no year has a day for {value!r}") from None
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
LimitText = Annotated[Limit, BeforeValidator(_limit)]
LimitList = Annotated[tuple[Limit, ...], BeforeValidator(_limits)]
Share = Annotated[float, BeforeValidator(_share)]
Size = Annotated[int, BeforeValidator(_size)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
DomainName = Annotated[str, BeforeValidator(_domain)]
NameServer = Annotated[tuple[str, int], BeforeValidator(_name_server)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Cron = Annotated[str, BeforeValidator(_cron)]
HumanCheckMode = Annotated[Literal["off", "light", "strict"], BeforeValidator(_human_check)]
Port = Annotated[int, Field(ge=1, le=65535)]
