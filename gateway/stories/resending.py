"""The story of a mail that is sent again, because a moderator says so."""

from collections.abc import Callable

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.store import audit, outbox, registrations
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.store.registrations import LIVE, Registration, Status
from gateway.stories.unwanted import Unwanted


class Resending:
    """Owes mails once more. `wake` is called when one is owed."""

    def __init__(
        self,
        mail_domain: str,
        database: Database,
        unwanted: Unwanted,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._mail_domain = mail_domain
        self._database = database
        self._unwanted = unwanted
        self._wake = wake
        self._clock = clock

    async def resend(self, registration_id: int, author: Author) -> Registration:
        """Owe a live request another mail. Raises ValueError with one sentence."""
        now = self._clock()

        def owe(connection: Connection) -> Registration:
            registration = registrations.get(connection, registration_id)
            if registration is None:
                raise ValueError(f"There is no registration {registration_id}.")
            if registration.status not in LIVE:
                raise ValueError(
                    f"Registration {registration_id} is {registration.status}: only a pending,"
                    " mailed or failed one can be sent again."
                )
            if registration.is_forgotten:
                raise ValueError(
                    f"The address of registration {registration_id} is kept no more: he may ask"
                    " again on the page."
                )
            self._unwanted.require_wanted(connection, registration)
            if outbox.is_owed(connection, registration_id):
                raise ValueError(f"A mail for registration {registration_id} is on its way.")
            if registration.status is Status.FAILED:
                registrations.become(connection, registration_id, Status.PENDING)
            outbox.owe(connection, registration_id, self._mail_domain, now)
            subject = f"registration {registration_id}"
            audit.note(connection, author, "resend", subject, now, before=registration.status)
            return registration

        registration = await self._database.write(owe)
        self._wake()
        return registration
