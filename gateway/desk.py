"""One desk: every story of it, and what its door asks of it."""

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.homeserver.homeserver import Homeserver
from gateway.mail.delivery import Mailer
from gateway.rules.networks import IPAddress
from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import Application
from gateway.settings.settings import Settings
from gateway.store import facts, leases, outbox
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.stories.accounts.restricting import Restricting
from gateway.stories.accounts.unknown_accounts import UnknownAccounts
from gateway.stories.accounts.watcher import AccountWatcher
from gateway.stories.ban_watch import BanWatch
from gateway.stories.burst_watch import BurstWatch
from gateway.stories.courier import Courier
from gateway.stories.foresight import Foresight
from gateway.stories.forgetting import Forgetting
from gateway.stories.hours import Hours
from gateway.stories.human.human_check import HumanCheck
from gateway.stories.mail_pace import MailPace
from gateway.stories.moderation import Moderation
from gateway.stories.muting import Muting
from gateway.stories.notebook import Notebook
from gateway.stories.registration import Registrar, Verdict
from gateway.stories.resending import Resending
from gateway.stories.retention import Retention
from gateway.stories.review import Reviews
from gateway.stories.tokens.rotation import Rotation
from gateway.stories.undoing import Undoing
from gateway.stories.unwanted import Unwanted
from gateway.stories.vigil import Vigil

_log = structlog.get_logger(__name__)

_WRITTEN = "written at"  # when the database was last seen to take something


@dataclass(frozen=True)
class Desk:
    """Every story of one desk, bound together. Opened by `open_desk`."""

    settings: Settings
    database: Database
    keyring: Keyring
    bans: BanFiles
    hours: Hours
    human_check: HumanCheck
    mail_pace: MailPace
    moderation: Moderation
    foresight: Foresight
    undoing: Undoing
    unwanted: Unwanted
    notebook: Notebook
    homeserver: Homeserver
    mailer: Mailer
    burst_watch: BurstWatch
    registrar: Registrar
    resending: Resending
    reviews: Reviews
    rotation: Rotation
    courier: Courier
    accounts: AccountWatcher
    ban_watch: BanWatch
    vigil: Vigil
    unknown_accounts: UnknownAccounts
    muting: Muting
    restricting: Restricting
    forgetting: Forgetting
    retention: Retention
    clock: Clock

    async def opening(self) -> Opening:
        """Open or closed, at most a second old."""
        return await self.hours.opening()

    async def apply(self, application: Application) -> Verdict:
        """Hear one request. Raises NotRecorded."""
        return await self.registrar.apply(application)

    async def challenge(self, ip: IPAddress) -> dict[str, Any]:
        """Something for a browser at `ip` to solve."""
        return await self.human_check.challenge(ip)

    def form_token(self) -> str:
        """The token of a page that is handed out now."""
        return self.human_check.form_token()

    async def is_unwanted_link(self, sealed: str) -> bool:
        """Whether we signed the end of such a link. Raises NotRecorded."""
        return await self.unwanted.is_ours(sealed)

    async def refuse_mail(self, sealed: str, ip: IPAddress) -> bool:
        """The owner of an address wants no mail; False when the link is not ours. Raises
        NotRecorded."""
        return await self.unwanted.refuse(sealed, ip)

    @property
    def is_busy(self) -> bool:
        """Whether one more request would make all of them wait."""
        return self.registrar.is_busy

    async def pace(self) -> Pace:
        """How long mails take at present."""
        return await self.mail_pace.at_present()

    async def faults(self) -> list[str]:
        """What keeps the desk from taking requests now."""
        second = f"{self.clock():%Y-%m-%d %H:%M:%S}"

        def try_it(connection: Connection) -> None:
            # A disk that is full lets everybody read and begin to write. Once a second is enough,
            # for anybody may ask.
            if facts.recall(connection, _WRITTEN) != second:
                facts.note(connection, _WRITTEN, second)

        try:
            await self.database.write(try_it)
        except SQLAlchemyError as error:
            return [f"the database cannot be written: {complaint(error)}"]
        return []

    async def end_old_leases(self) -> None:
        """Take up what gateways left that were killed; only while no other is at work.

        A rotation by command may lose its lease too: then two put the same token into force.
        """

        def release(connection: Connection) -> int:
            leases.release_all(connection)
            return outbox.release_all(connection, self.clock())

        try:
            left = await self.database.write(release)
        except SQLAlchemyError as error:
            _log.warning("leases_not_ended", reason=complaint(error))  # they end by their time
        else:
            _log.info("alone_at_work", mails_taken_up=left)
