"""Cross-signing: the bot's account vouches for its one device.

Clients that exclude unsigned devices would not give the room's keys to the bot, which then could
read no command. The account's three keys are made once, kept in the bot's folder, and reused.
https://spec.matrix.org/v1.16/client-server-api/#cross-signing
"""

import base64
from typing import Any

import aiohttp
import structlog
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from nio import Api

from bot.room.files import Kept
from bot.room.session import RoomError, Session, Unanswered

_log = structlog.get_logger(__name__)

_USAGES = ("master", "self_signing", "user_signing")
_V3 = "/_matrix/client/v3/keys"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


class _Key:
    """One Ed25519 key pair, as its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self._pair = ECC.construct(curve="Ed25519", seed=seed)
        self.public = _base64(self._pair.public_key().export_key(format="raw"))

    def sign(self, user: str, thing: dict[str, Any]) -> dict[str, Any]:
        """`thing` with this key's signature among those it has."""
        bare = {k: v for k, v in thing.items() if k not in ("signatures", "unsigned")}
        signature = eddsa.new(self._pair, "rfc8032").sign(Api.to_canonical_json(bare).encode())
        signatures = dict(thing.get("signatures", {}))
        mine = signatures.get(user, {}) | {f"ed25519:{self.public}": _base64(signature)}
        return bare | {"signatures": signatures | {user: mine}}


def _load(kept: Kept) -> dict[str, _Key] | None:
    data = kept.load()
    try:
        seeds = {usage: bytes.fromhex(data[usage]) for usage in _USAGES}
        return {usage: _Key(seed) for usage, seed in seeds.items()}
    except (KeyError, TypeError, ValueError):
        return None


def _make(kept: Kept) -> dict[str, _Key]:
    seeds = {usage: ECC.generate(curve="Ed25519").seed for usage in _USAGES}
    # Kept before anybody knows them: keys that the homeserver has and we lost cannot be replaced
    # without the account's password.
    kept.save({usage: seed.hex() for usage, seed in seeds.items()})
    return {usage: _Key(seed) for usage, seed in seeds.items()}


async def sign_device(session: Session) -> str | None:
    """Make sure that our device is signed by our account; returns why it is not.

    The device's own keys must have been uploaded. The bot works unsigned too, for clients that do
    not insist.
    """
    try:
        await _sign_device(session)
    except (aiohttp.ClientError, TimeoutError, OSError, RoomError) as error:
        return str(error) or type(error).__name__
    return None


async def reset(session: Session) -> bool:
    """Give the account fresh signing keys, and sign our device with them.

    False when the homeserver does not know the device's keys yet: then the first run signs it.
    Raises RoomError with what to do when the homeserver does not allow it, Unanswered or OSError.
    """
    keys = _make(_fresh(session))
    try:
        await _upload(session, keys)
        _adopt(session, keys)
        await _sign_device(session)
    except _NotListed:
        return False
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unanswered(f"{session.url} cannot be reached") from error
    return True


class _NotListed(RoomError):
    """The homeserver does not list our device's keys."""


def _kept(session: Session) -> Kept:
    return Kept(session.folder / "cross-signing.json")


def _fresh(session: Session) -> Kept:
    """Keys that are about to take the place of others, until it is certain that they did."""
    return Kept(session.folder / "cross-signing-fresh.json")


def _adopt(session: Session, keys: dict[str, _Key]) -> None:
    _kept(session).save({usage: key.seed.hex() for usage, key in keys.items()})
    _fresh(session).path.unlink(missing_ok=True)


async def _sign_device(session: Session) -> None:
    user, device = session.user, session.client.device_id
    _, known = await session.post(f"{_V3}/query", {"device_keys": {user: []}})
    master = known.get("master_keys", {}).get(user)
    ours = known.get("device_keys", {}).get(user, {}).get(device)
    if ours is None:
        raise _NotListed("the homeserver does not list the device's keys")
    if master is None:
        keys = _load(_kept(session)) or _make(_kept(session))
        await _upload(session, keys)
    else:
        keys = _keys_of(session, master)
    signer = keys["self_signing"]
    if f"ed25519:{signer.public}" in ours.get("signatures", {}).get(user, {}):
        return
    status, answer = await session.post(
        f"{_V3}/signatures/upload", {user: {device: signer.sign(user, ours)}}
    )
    if status != 200 or answer.get("failures"):
        raise RoomError(f"the homeserver refused the signature: {str(answer)[:200]}")
    _log.info("device_signed", user=user, device=device)


def _keys_of(session: Session, master: dict[str, Any]) -> dict[str, _Key]:
    """Those of our keys that the homeserver knows. Raises RoomError."""
    for kept in (_kept(session), _fresh(session)):
        keys = _load(kept)
        if keys is not None and f"ed25519:{keys['master'].public}" in master.get("keys", {}):
            _adopt(session, keys)
            return keys
    raise RoomError(
        "another client made this account's signing keys, or ours are lost: verify the bot's"
        " device there, or run `porter reset-signing`"
    )


async def _upload(session: Session, keys: dict[str, _Key]) -> None:
    """Make these the account's keys. Raises RoomError with what to do instead."""
    user = session.user
    request: dict[str, Any] = {}
    for usage, key in keys.items():
        public = {
            "user_id": user,
            "usage": [usage],
            "keys": {f"ed25519:{key.public}": key.public},
        }
        signed = public if usage == "master" else keys["master"].sign(user, public)
        request[f"{usage}_key"] = signed
    path = f"{_V3}/device_signing/upload"
    status, answer = await session.post(path, request)
    if status == 401 and "session" in answer:
        request["auth"] = _proof(session, answer)
        status, answer = await session.post(path, request)
    if status != 200:
        reason = str(answer.get("error", status))[:200]
        raise RoomError(f"the homeserver refused the account's signing keys: {reason}")


def _proof(session: Session, wanted: dict[str, Any]) -> dict[str, Any]:
    """What shows the homeserver that it is us. Raises RoomError when we cannot.

    https://spec.matrix.org/v1.16/client-server-api/#user-interactive-authentication-api
    """
    ways = {stage for flow in wanted.get("flows", ()) for stage in flow.get("stages", ())}
    pages = [each["url"] for each in (wanted.get("params") or {}).values() if "url" in each]
    if "m.login.password" in ways and session.password is not None:
        return {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": session.user},
            "password": session.password,
            "session": wanted["session"],
        }
    by_admin = (
        "or let a server admin allow it with"
        f" POST /_synapse/admin/v1/users/{session.user}"
        "/_allow_cross_signing_replacement_without_uia, and repeat it within ten minutes"
    )
    if pages:  # an authentication service, on which the account may have no password
        raise RoomError(
            f"the homeserver wants this approved by whoever is logged in as {session.user} at"
            f" {pages[0]}: do so, {by_admin}"
        )
    raise RoomError(
        "the homeserver wants the account's password for new signing keys: give bot.password in"
        f" place of bot.access_token for this one command, {by_admin}"
    )
