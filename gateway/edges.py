"""The edges of one desk, made of its settings: homeserver, mail server, the words of the mail."""

import ssl

import aiohttp

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.admin_room import AdminRoom
from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import Homeserver, Names
from gateway.homeserver.mas import Mas
from gateway.homeserver.mas_api import MasApi
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.room_accounts import RoomAccounts
from gateway.homeserver.room_commands import CONDUWUIT, CONTINUWUITY, TUWUNEL
from gateway.homeserver.room_server import RoomServer
from gateway.homeserver.room_tokens import RoomTokens
from gateway.homeserver.static import StaticServer
from gateway.homeserver.synapse import Synapse
from gateway.homeserver.token_file import TokenFile
from gateway.homeserver.tuwunel import Tuwunel
from gateway.homeserver.whereabouts import PATIENCE, Whereabouts
from gateway.mail.compose import Composer
from gateway.mail.delivery import Mailer
from gateway.settings.config import ConfigError
from gateway.settings.settings import Settings

_FILE_READER = "a homeserver with a token file"  # how sentences call one of no known kind
_DIALECTS = {"conduwuit": CONDUWUIT, "continuwuity": CONTINUWUITY, "tuwunel": TUWUNEL}


def make_homeserver(
    settings: Settings,
    session: aiohttp.ClientSession,
    room: AdminRoom | None = None,
    *,
    at_once: int = 2,
) -> Homeserver:
    """The homeserver as its kind is; `at_once` questions about names go to it at a time.

    Without a `room`, one that needs it cannot be made.
    """
    homeserver = settings.homeserver
    names = CarefulNames(
        registrable(session, homeserver.url, homeserver.timeout), homeserver.timeout, at_once
    )
    if homeserver.way == "token_file":
        assert homeserver.token_file is not None
        dialect = _DIALECTS.get(homeserver.kind)
        return FileServer(
            TokenFile(homeserver.token_file),
            names,
            _FILE_READER if dialect is None else dialect.title,
            _room_accounts(settings, room, names),
            fails_open=dialect is not None and dialect.fails_open,
        )
    if homeserver.way == "static_token":
        assert homeserver.static_token is not None
        return StaticServer(homeserver.static_token.get_secret_value(), names)
    if homeserver.way == "client_id":
        return Mas(make_mas_api(settings, session), homeserver.timeout, at_once)
    if homeserver.way == "admin_room":
        dialect, accounts = _DIALECTS[homeserver.kind], _room_accounts(settings, room, names)
        assert room is not None and accounts is not None
        return RoomServer(dialect, RoomTokens(room, dialect), accounts, names)
    api = AdminApi(session, homeserver.url, _admin_token(settings), homeserver.timeout)
    if homeserver.kind == "tuwunel":
        has_room = homeserver.admin_room is not None
        return Tuwunel(api, names, settings.server_name, has_room=has_room)
    return Synapse(api, names, settings.server_name)


def _room_accounts(settings: Settings, room: AdminRoom | None, names: Names) -> RoomAccounts | None:
    if room is None or settings.homeserver.admin_room is None:
        return None
    dialect = _DIALECTS[settings.homeserver.kind]
    return RoomAccounts(room, dialect, names, settings.server_name)


def make_mas_api(settings: Settings, session: aiohttp.ClientSession) -> MasApi:
    homeserver = settings.homeserver
    assert homeserver.auth_url and homeserver.client_id and homeserver.client_secret
    secret, limit = homeserver.client_secret.get_secret_value(), homeserver.timeout
    credentials = ClientCredentials(
        session, homeserver.auth_url, homeserver.client_id, secret, limit
    )
    return MasApi(session, credentials, limit)


def make_whereabouts(settings: Settings, session: aiohttp.ClientSession) -> Whereabouts:
    """Whom and what the network can be asked for before a ban."""
    if settings.homeserver.admin_token is None:
        return Whereabouts(None)
    url = settings.homeserver.url
    return Whereabouts(AdminApi(session, url, _admin_token(settings), PATIENCE))


def _admin_token(settings: Settings) -> str:
    assert settings.homeserver.admin_token is not None
    return settings.homeserver.admin_token.get_secret_value()


def make_mailer(settings: Settings) -> Mailer:
    """The way to the SMTP server. Raises ConfigError when `smtp.ca_file` is unusable."""
    smtp = settings.smtp
    try:
        return Mailer(
            host=smtp.host,
            port=smtp.port,
            security=smtp.security,
            username=smtp.username,
            password=None if smtp.password is None else smtp.password.get_secret_value(),
            sender=smtp.sender,
            timeout=smtp.timeout,
            connections=smtp.connections,
            ca_file=smtp.ca_file,
        )
    except OSError as error:  # also ssl's own, which name neither the file nor, plainly, the fault
        is_garbled = isinstance(error, ssl.SSLError)
        reason = "it holds no certificate" if is_garbled else error.strerror
        raise ConfigError([f"smtp.ca_file: {smtp.ca_file} cannot be used ({reason})"]) from None


def make_composer(settings: Settings) -> Composer:
    """The words of the mail. Raises ConfigError when a template is broken."""
    try:
        return Composer(
            server_name=settings.server_name,
            sender=settings.smtp.sender,
            subject=settings.mail.subject,
            public_url=settings.web.public_url,
            homeserver_url=settings.homeserver.url,
            templates=settings.mail.templates,
        )
    except ValueError as error:
        raise ConfigError([f"mail.templates: {error}"]) from None
