"""The edges of one desk, made of its settings: homeserver, mail server, the words of the mail."""

import ssl

import aiohttp

from gateway.config import ConfigError
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import AccountDirectory, TokenSource
from gateway.homeserver.synapse import SynapseTokens
from gateway.homeserver.synapse_accounts import SynapseAccounts
from gateway.homeserver.token_file import TokenFile
from gateway.homeserver.whereabouts import PATIENCE, Whereabouts
from gateway.mail.compose import Composer
from gateway.mail.delivery import Mailer
from gateway.settings import Settings


def make_token_source(settings: Settings, session: aiohttp.ClientSession) -> TokenSource:
    """The homeserver's side of the tokens."""
    homeserver = settings.homeserver
    if homeserver.kind == "token_file":
        assert homeserver.token_file is not None
        return TokenFile(homeserver.token_file)
    assert homeserver.admin_token is not None
    secret = homeserver.admin_token.get_secret_value()
    return SynapseTokens(session, homeserver.url, secret, homeserver.timeout)


def make_directory(settings: Settings, session: aiohttp.ClientSession) -> AccountDirectory | None:
    """Where accounts are listed; None where the homeserver lists none."""
    homeserver = settings.homeserver
    if homeserver.kind == "token_file":
        return None
    assert homeserver.admin_token is not None
    secret = homeserver.admin_token.get_secret_value()
    return SynapseAccounts(
        session, homeserver.url, secret, homeserver.timeout, settings.server_name
    )


def make_whereabouts(settings: Settings, session: aiohttp.ClientSession) -> Whereabouts:
    """Whom and what the network can be asked for before a ban."""
    homeserver = settings.homeserver
    if homeserver.kind == "token_file":
        return Whereabouts(None)
    assert homeserver.admin_token is not None
    secret = homeserver.admin_token.get_secret_value()
    return Whereabouts(AdminApi(session, homeserver.url, secret, PATIENCE))


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
