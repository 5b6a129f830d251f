"""A bounded load on one HTTP server: raw requests over kept connections, each one timed."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PATIENCE = 60.0  # seconds that a whole load may take


@dataclass(frozen=True, slots=True)
class Load:
    """How a load went: requests a second, and the times of single requests in milliseconds."""

    rate: float
    median: float
    p99: float
    statuses: frozenset[int]


async def put_under_load(
    port: int, requests: Sequence[bytes], connections: int, rate: float | None = None
) -> Load:
    """Send every request once, over so many connections, and wait for each answer.

    Without `rate` each connection sends as soon as it was answered. With it requests fall due at
    that many a second, and an answer's time counts from when its request fell due.
    """
    pause = 0.0 if rate is None else 1 / rate
    todo = enumerate(requests)
    times: list[float] = []
    statuses: set[int] = set()
    began = time.perf_counter()
    async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(_drive(port, todo, pause, times, statuses))
    took = time.perf_counter() - began
    times.sort()
    return Load(
        len(times) / took,
        times[len(times) // 2] * 1000,
        times[len(times) * 99 // 100] * 1000,
        frozenset(statuses),
    )


async def _drive(
    port: int,
    todo: Iterator[tuple[int, bytes]],
    pause: float,
    times: list[float],
    statuses: set[int],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        start = time.perf_counter()
        for number, request in todo:
            began = start + number * pause if pause else time.perf_counter()
            if began > time.perf_counter():
                await asyncio.sleep(began - time.perf_counter())
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
            statuses.add(int(head[9:12]))
    finally:
        writer.close()
        await writer.wait_closed()


def get(path: str) -> bytes:
    """A browser-like GET."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n"
        "Accept-Language: en\r\n\r\n"
    ).encode()


def post(name: str, email: str, ip: str, form_token: str = "") -> bytes:
    """The form of one applicant behind a proxy."""
    body = f"requested_username={name}&email={email.replace('@', '%40')}&form_token={form_token}"
    return (
        "POST /register HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n"
        f"X-Forwarded-For: {ip}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def post_json(name: str, email: str, ip: str) -> bytes:
    """The same from a script."""
    body = json.dumps({"requested_username": name, "email": email})
    return (
        "POST /register HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"X-Forwarded-For: {ip}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
