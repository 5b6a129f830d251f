"""A doubt that came after a request was accepted: it waits for a person after all."""

import json

from sqlalchemy import Connection

from gateway.store.registrations import Status
from gateway.store.schema import registrations


def let_wait(connection: Connection, registration_id: int, code: str, detail: str) -> None:
    """Let a pending request wait for a decision, and say why."""
    r = registrations.c
    connection.execute(
        registrations.update()
        .where(r.id == registration_id, r.status == Status.PENDING)
        .values(
            status=Status.REVIEW,
            reviews=json.dumps([{"code": code, "detail": detail}]),
        )
    )
