"""An older installation, and the plan for bringing it over; `takeover` carries it out.

Every file is read whole before anything is written, and one that is damaged stops the import. What
is here already is recognised, so an import may be repeated.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from bot.answers import counted
from bot.legacy.config import TEMPLATES, NewConfig, translate
from bot.legacy.lists import Damaged, OldBans, OldRegistration, read_bans, read_registrations
from gateway.rules.bans import Ban, Kind
from gateway.settings.settings import Settings
from gateway.store import imports, tokens
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database

CONFIG = "imported-config.yaml"
_BANS = {
    Kind.IP: "banned_ips.txt",
    Kind.EMAIL: "banned_emails.txt",
    Kind.NAME: "banned_usernames.txt",
}
# Later versions moved their files; where both are left, the newer layout is the one in use.
_FOLDERS = ("sw1tch/config", "sw1tch/data", "sw1tch", "config", "data", "")


@dataclass
class Plan:
    """What an import would do. With faults it does nothing."""

    beside: Path  # the running configuration
    settings: Settings | None
    files: dict[str, Path] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    config: NewConfig | None = None
    bans: dict[Kind, OldBans] = field(default_factory=dict)
    new_bans: list[Ban] = field(default_factory=list)
    registrations: list[OldRegistration] = field(default_factory=list)
    new_registrations: int = 0
    placeholders: int = 0
    token: str | None = None
    token_left_out: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether everything is here already."""
        return not (
            self.is_config_new or self.new_bans or self.new_registrations or self.token is not None
        )

    @property
    def is_config_new(self) -> bool:
        return self.config is not None and not os.path.lexists(self.beside.with_name(CONFIG))

    def lines(self) -> Iterator[str]:
        """The plan, for the person who is asked to agree."""
        if self.config is not None:
            target = self.beside.with_name(CONFIG)
            names = [str(target), *(f"{TEMPLATES}/{name}" for name in self.config.templates)]
            yield f"{self.files['config.yaml']}: " + (
                f"becomes {', '.join(names)}"
                if self.is_config_new
                else f"left out: {target} is there already, and is not overwritten"
            )
            yield from (f"  {note}" for note in self.config.notes)
        for kind, old in self.bans.items():
            new = sum(ban.kind is kind for ban in self.new_bans)
            yield f"{self.files[_BANS[kind]]}: {counted(len(old.values), 'ban')}, {new} new"
            if old.masked:
                yield f"  {old.masked} with host bits set: the whole network is meant"
            yield from (f"  left out, {reason}" for reason in old.left_out)
        if self.settings is not None and "registrations.json" in self.files:
            yield (
                f"{self.files['registrations.json']}:"
                f" {counted(len(self.registrations), 'registration')},"
                f" {self.new_registrations} new;"
                f" {counted(self.placeholders, 'placeholder')} left out"
            )
        if self.token is not None:
            yield (
                f"{self.files['.registration_token']}: becomes the current shared token, so that"
                " mails sent before go on being right"
            )
        elif self.token_left_out:
            yield f"{self.files['.registration_token']}: left out: {self.token_left_out}"
        if self.settings is None:
            yield (
                f"{self.beside} is missing, so the configuration alone is brought over now."
                f" Save {CONFIG} under that name, and import again for the rest."
            )


async def make_plan(folder: Path, beside: Path, settings: Settings | None) -> Plan:
    """Read the older installation in `folder`, and change nothing.

    Without `settings` only its configuration is brought over, to stand beside `beside`.
    """
    plan = Plan(beside, settings)
    names = ("config.yaml", *_BANS.values(), "registrations.json", ".registration_token")
    contents = {name: _find(plan, folder, name) for name in names}
    if not plan.files and not plan.faults:
        plan.faults.append(f"{folder}: no file of the older system is there")
    elif settings is None and contents["config.yaml"] is None:
        plan.faults.append(
            f"{beside}: missing; begin with a configuration, see example-config.yaml"
        )
    for name, content in contents.items():
        if content is not None and (settings is not None or name == "config.yaml"):
            try:
                _understand(plan, name, content)
            except Damaged as error:
                plan.faults += [f"{plan.files[name]}: {fault}" for fault in error.faults]
    if settings is not None and not plan.faults:
        await _compare(plan, settings)
    return plan


def _find(plan: Plan, folder: Path, name: str) -> bytes | None:
    for place in _FOLDERS:
        path = folder / place / name
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            plan.faults.append(f"{path}: cannot be read ({error.strerror})")
            return None
        plan.files[name] = path
        return content
    return None


def _understand(plan: Plan, name: str, content: bytes) -> None:
    """Read one file into the plan. Raises Damaged."""
    if name == "config.yaml":
        path = plan.files[name].absolute()
        base = path.parent.parent if path.parent.name == "config" else path.parent
        token_file = plan.files.get(".registration_token", base / ".registration_token")
        settings = plan.settings
        plan.config = translate(
            content,
            base,
            token_file=token_file.absolute(),
            state="state" if settings is None else str(settings.state),
            bans="bans" if settings is None else str(settings.bans),
        )
    elif name == "registrations.json":
        plan.registrations, plan.placeholders = read_registrations(content)
    elif name == ".registration_token":
        try:
            plan.token = content.decode("ascii").strip()
        except UnicodeDecodeError:
            raise Damaged(["it is no token: it is not ASCII text"]) from None
    else:
        kind = next(kind for kind, file in _BANS.items() if file == name)
        plan.bans[kind] = read_bans(kind, content)


async def _compare(plan: Plan, settings: Settings) -> None:
    """Find what is new of it."""
    files = BanFiles(settings.bans)
    try:
        files.load()
    except OSError as error:
        plan.faults.append(f"{error.filename}: cannot be read ({error.strerror})")
        return
    wanted = [Ban(kind, value) for kind, old in plan.bans.items() for value in old.values]
    plan.new_bans = [ban for ban in wanted if not files.book.covers(ban)]
    known, has_token = 0, False
    database = Database(settings.state / "porter.db")
    if database.path.exists():

        def look(connection: Connection) -> tuple[int, bool]:
            here = sum(
                imports.is_taken_over(connection, old.request.name, old.request.email, old.at)
                for old in plan.registrations
            )
            return here, has_shared_token(connection)

        try:
            known, has_token = await database.read(look)
        finally:
            await database.close()
    plan.new_registrations = len(plan.registrations) - known
    if plan.token is not None:
        plan.token_left_out = _why_no_token(settings, plan.token, has_token)
        plan.token = None if plan.token_left_out else plan.token


def has_shared_token(connection: Connection) -> bool:
    """Whether the desk has a shared token, or has decided on one."""
    return bool(tokens.current_shared(connection) or tokens.unfinished_shared(connection))


def _why_no_token(settings: Settings, token: str, has_token: bool) -> str:
    if not settings.shares_token or settings.homeserver.way != "token_file":
        return "the desk does not give out a shared token by a token file"
    if has_token:
        return "the desk has a shared token already"
    if not token:
        return "it is empty"
    if not token.isalnum():
        return "a token file takes a token of letters and digits only"
    return ""
