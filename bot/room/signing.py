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
from bot.room.session import Session

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


async def sign_device(session: Session) -> bool:
    """Make sure that our device is signed by our account; returns whether it is.

    The device's own keys must have been uploaded. What cannot be mended here is said in the log:
    the bot works without, for clients that do not insist.
    """
    try:
        return await _sign_device(session)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        _log.warning("device_unsigned", reason=str(error) or type(error).__name__)
        return False


async def _sign_device(session: Session) -> bool:
    user, device = session.user, session.client.device_id
    _, known = await session.post(f"{_V3}/query", {"device_keys": {user: []}})
    master = known.get("master_keys", {}).get(user)
    ours = known.get("device_keys", {}).get(user, {}).get(device)
    kept = Kept(session.folder / "cross-signing.json")
    keys = _load(kept)
    if ours is None:
        _log.warning("device_unsigned", reason="the homeserver does not list the device's keys")
        return False
    if master is None:
        keys = keys or _make(kept)
        if not await _upload(session, keys):
            return False
    elif keys is None or f"ed25519:{keys['master'].public}" not in master.get("keys", {}):
        _log.warning(
            "device_unsigned",
            reason="another client made this account's signing keys; verify the bot's device there",
        )
        return False
    signer = keys["self_signing"]
    if f"ed25519:{signer.public}" in ours.get("signatures", {}).get(user, {}):
        return True
    status, answer = await session.post(
        f"{_V3}/signatures/upload", {user: {device: signer.sign(user, ours)}}
    )
    if status != 200 or answer.get("failures"):
        _log.warning("device_unsigned", reason=str(answer)[:200])
        return False
    _log.info("device_signed", user=user, device=device)
    return True


async def _upload(session: Session, keys: dict[str, _Key]) -> bool:
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
    if status == 401 and session.password is not None and "session" in answer:
        request["auth"] = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": session.password,
            "session": answer["session"],
        }
        status, answer = await session.post(path, request)
    if status != 200:
        _log.warning("device_unsigned", reason=str(answer.get("error", status))[:200])
    return status == 200
