"""The bot's log-in at the homeserver: one device for life, and questions bounded in time.

The device and its keys live in a folder; the next run goes on with them. Nothing here ever logs
out: that would destroy the device, and with it every key that it holds.

Access tokens are asked for without refresh tokens, for then they last: a refresh token whose answer
is lost is spent, and the device with it. Where the homeserver lets them expire all the same, the
password logs the same device in again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from nio import Api, AsyncClient, AsyncClientConfig, ErrorResponse
from nio.exceptions import LocalProtocolError

from bot.room.files import Kept, Lock

_log = structlog.get_logger(__name__)

PATIENCE = 60.0  # seconds that one question may take with all its repetitions
_REQUEST = 30  # seconds that one request may take
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between repetitions
_GRACE = 10.0  # seconds that an ending process has to leave the folder to the next
_REPLACE = "put a new bot.access_token in place, one that does not expire, and restart"
_LOGGED_OUT = {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_DEACTIVATED"}


class RoomError(Exception):
    """The bot cannot serve its room, and waiting will not help; one sentence says why."""


class FolderInUse(RoomError):
    """Another process serves the room from this folder."""


class LoggedOut(RoomError):
    """The homeserver no longer accepts the access token; after a `soft` one the device lives on."""

    def __init__(self, message: str, *, soft: bool) -> None:
        super().__init__(message)
        self.soft = soft


class Unanswered(Exception):
    """The homeserver gave no usable answer in time; one sentence says why."""


class Refused(Exception):
    """The homeserver understood the question and said no. `code` is Matrix' name for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code


class Session:
    """A logged-in client; `open` it, `ask` it, `close` it."""

    def __init__(
        self,
        *,
        homeserver_url: str,
        user: str,
        password: str | None,
        access_token: str | None,
        device_name: str,
        folder: Path,
    ) -> None:
        self.url = homeserver_url.rstrip("/")
        self.user = user
        self.password = password
        self._access_token = access_token
        self._device_name = device_name
        self.folder = folder
        self._lock = Lock(folder / "lock")
        self._kept = Kept(folder / "session.json")
        self.client: Any = None
        self.is_open = False  # until it is closed, or the homeserver logs us out

    async def open(self, *, alone: bool = True) -> None:
        """Log in, or go on with the device of the last run.

        `alone` takes the folder for this process and loads the keys. Without it the session can
        read rooms but neither decrypt nor encrypt, and works beside a running bot.
        Raises RoomError when the log-in is refused or the folder is in use or unusable, and
        Unanswered when the homeserver does not answer.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            ours = await self._take_folder(_GRACE if alone else 0)
        except OSError as error:
            raise RoomError(f"{self.folder} cannot be used: {error.strerror}.") from None
        kept = self._kept.load()
        if not ours and (alone or not kept):
            raise FolderInUse(
                f"Another process uses {self.folder}; stop it first, or give this one another"
                " state folder."
            )
        await self._let_go()
        self.client = self._new_client(encrypted=alone)
        try:
            await self._log_in(kept)
        except Refused as error:
            raise RoomError(f"The homeserver refused the log-in of {self.user}: {error}") from None
        except OSError as error:
            raise RoomError(f"{self.folder} cannot be written: {error.strerror}.") from None
        for file in self.folder.glob("*.db*"):
            file.chmod(0o600)
        self.is_open = True

    async def close(self) -> None:
        """Close the connections and the store; the device stays logged in."""
        await self._let_go()
        self._lock.release()

    async def _take_folder(self, patience: float) -> bool:
        ends = time.monotonic() + patience
        while True:
            if self._lock.take():
                return True
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.2)

    async def ask(
        self,
        question: Callable[..., Awaitable[Any]],
        *args: Any,
        patience: float = PATIENCE,
        **kwargs: Any,
    ) -> Any:
        """Ask the client, again after a pause when the homeserver is busy or away.

        Returns nio's answer. Raises Refused, LoggedOut, or Unanswered after `patience` seconds;
        with a patience of 0 the question is asked once.
        """
        ends = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            wanted = 0.0
            try:
                answer = await question(*args, **kwargs)
            except (aiohttp.ClientError, TimeoutError):
                problem = f"{self.url} cannot be reached"
            except LocalProtocolError as error:
                problem = f"the keys are not ready ({error})"
            else:
                if not isinstance(answer, ErrorResponse):
                    return answer
                problem = self._read_error(answer)
                wanted = (answer.retry_after_ms or 0) / 1000
            wait = max(pause, wanted)
            if time.monotonic() + wait > ends:
                raise Unanswered(problem)
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Ask what nio has no call for; returns the status and the JSON answer."""
        response = await self.client.send(
            "POST",
            path,
            Api.to_json(body),
            {
                "Authorization": f"Bearer {self.client.access_token}",
                "Content-Type": "application/json",
            },
        )
        async with response:
            data = await self.client.parse_body(response)
            return response.status, data if isinstance(data, dict) else {}

    def _read_error(self, answer: Any) -> str:
        """Raise what waiting cannot mend; returns a sentence for what it can."""
        response = getattr(answer, "transport_response", None)
        status = response.status if response is not None else 0
        code, message = str(answer.status_code or ""), str(answer.message)
        if code in _LOGGED_OUT:
            self.is_open = False
            remedy = "" if self.password else f"; {_REPLACE}"
            raise LoggedOut(
                f"{self.url} no longer accepts the log-in of {self.user} ({code}){remedy}.",
                soft=answer.soft_logout,
            )
        if status == 429 or code == "M_LIMIT_EXCEEDED":
            return f"{self.url} asks for fewer requests"
        if 400 <= status < 500:
            raise Refused(code, message)
        if status < 400:
            return f"{self.url} gave an answer that cannot be read"
        return f"{self.url} answered {status} ({code or message})"

    async def _log_in(self, kept: dict[str, Any]) -> None:
        token = self._access_token or (kept.get("access_token") if self._ours(kept) else None)
        if token:
            try:
                await self._go_on(str(token))
                return
            except LoggedOut as error:
                if self.password is None:
                    raise
                encrypted = self.client.config.encryption_enabled
                await self._let_go()
                self.client = self._new_client(encrypted=encrypted)
                device = kept.get("device_id")
                if error.soft and device:
                    self.client.device_id = device
                else:
                    # Its keys went with it: begin with a new device, not with half an old one.
                    _log.warning("room_device_lost", user=self.user, device=device)
        if self.password is None:
            raise RoomError("bot: neither a password nor an access token is configured.")
        await self._expect_password()
        await self.ask(self.client.login, self.password, self._device_name)
        self._check_user()
        self._save()

    async def _expect_password(self) -> None:
        """Raise RoomError where nobody can log in with a password.

        https://spec.matrix.org/v1.17/client-server-api/#get_matrixclientv3login
        """
        try:
            flows = (await self.ask(self.client.login_info)).flows
        except Refused as error:
            if error.code != "M_UNRECOGNIZED":  # of a Synapse behind an authentication service
                raise
            flows = []
        if "m.login.password" not in flows:
            raise RoomError(
                f"bot.password: {self.url} takes no password log-ins: set bot.access_token in its"
                f" place (an authentication service makes one by `{self._issue}`)."
            )

    @property
    def _issue(self) -> str:
        """How an operator makes an access token of MAS for the bot; it does not expire."""
        name = self.user.removeprefix("@").partition(":")[0]
        return f"mas-cli manage issue-compatibility-token {name}"

    def _ours(self, kept: dict[str, Any]) -> bool:
        return kept.get("user") == self.user and kept.get("homeserver") == self.url

    async def _go_on(self, token: str) -> None:
        client = self.client
        client.access_token = token
        await self.ask(client.whoami)
        self._check_user()
        if not client.device_id:
            raise RoomError(
                "bot.access_token belongs to no device; use one from a log-in, or from"
                f" `{self._issue}`."
            )
        client.restore_login(client.user_id, client.device_id, token)
        self._save()

    def _check_user(self) -> None:
        if self.client.user_id != self.user:
            raise RoomError(f"bot.user is {self.user}, but the log-in is {self.client.user_id}'s.")

    def _save(self) -> None:
        fresh = {
            "user": self.user,
            "homeserver": self.url,
            "device_id": self.client.device_id,
            "access_token": self.client.access_token,
        }
        if fresh != self._kept.load():
            self._kept.save(fresh)

    def _new_client(self, *, encrypted: bool) -> Any:
        config = AsyncClientConfig(
            # One try each: `ask` repeats, and knows when to stop.
            max_limit_exceeded=0,
            max_timeouts=0,
            request_timeout=_REQUEST,
            encryption_enabled=encrypted,
            store_sync_tokens=False,
        )
        return AsyncClient(self.url, self.user, store_path=str(self.folder), config=config)

    async def _let_go(self) -> None:
        self.is_open = False
        client, self.client = self.client, None
        if client is not None:
            await client.close()
            if client.store is not None:
                client.store.database.close()
