"""The edges of one desk, made of its settings: homeserver, mail server, the words of the mail."""

import ssl

import aiohttp

from gateway.config import ConfigError
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import Homeserver
from gateway.homeserver.mas import Mas
from gateway.homeserver.mas_api import MasApi
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.static import StaticServer
from gateway.homeserver.synapse import Synapse
from gateway.homeserver.token_file import TokenFile
from gateway.homeserver.whereabouts import PATIENCE, Whereabouts
from gateway.mail.compose import Composer
from gateway.mail.delivery import Mailer
from gateway.settings import Settings

# How sentences call a server that reads a token file.
_TITLES = {
    "conduwuit": "conduwuit",
    "continuwuity": "continuwuity",
    "tuwunel": "tuwunel",
    "token_file": "a homeserver with a token file",
}


def make_homeserver(
    settings: Settings, session: aiohttp.ClientSession, *, at_once: int = 2
) -> Homeserver:
    """The homeserver as its kind is; `at_once` questions about names go to it at a time."""
    homeserver = settings.homeserver
    names = CarefulNames(
        registrable(session, homeserver.url, homeserver.timeout), homeserver.timeout, at_once
    )
    if homeserver.way == "token_file":
        assert homeserver.token_file is not None
        return FileServer(TokenFile(homeserver.token_file), names, _TITLES[homeserver.kind])
    if homeserver.way == "static_token":
        assert homeserver.static_token is not None
        return StaticServer(homeserver.static_token.get_secret_value(), names)
    if homeserver.way == "client_id":
        return Mas(_mas_api(settings, session), homeserver.timeout, at_once)
    api = AdminApi(session, homeserver.url, _admin_token(settings), homeserver.timeout)
    return Synapse(api, names, settings.server_name)


def _mas_api(settings: Settings, session: aiohttp.ClientSession) -> MasApi:
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
