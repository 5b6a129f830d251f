"""A real Synapse in a folder: the homeserver of the demo and of the tests.

It keeps everything (SQLite, keys, media, log) in one folder, listens on loopback only, talks to no
other server, and opens accounts against registration tokens. It ends with the process that started
it, even when that one is killed.
"""

import asyncio
import base64
import ctypes
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

START_LIMIT = 60.0  # seconds until /health must answer; 3 s on an idle machine
STOP_LIMIT = 10.0  # seconds for an orderly end before it is killed
_GENEROUS = {"per_second": 1000, "burst_count": 1000}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class SynapseError(Exception):
    """The demo's homeserver did not start, or refused what it was asked."""


def _die_with(parent: int) -> Callable[[], None]:
    """What the child runs before it becomes Synapse: tie its life to `parent`."""

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above took hold
                os._exit(1)

    return tie


class Synapse:
    """One homeserver process; `start` it, `register_user` on it, `stop` it."""

    def __init__(self, folder: Path, server_name: str, port: int) -> None:
        self.folder = folder.absolute()
        self.server_name = server_name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Write the configuration, start the server, return when it answers.

        Raises SynapseError with the end of its log when it ends or does not answer in time.
        """
        if self.pid is not None:
            return
        self._write_config()
        with (self.folder / "console.log").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "synapse.app.homeserver", "-c", str(self.folder / "homeserver.yaml")),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # Ctrl-C in the terminal reaches the demo, which then stops us in its own order.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        try:
            async with asyncio.timeout(START_LIMIT):
                await self._until_healthy(self._process)
        except TimeoutError:
            await self.stop()
            raise SynapseError(
                f"Synapse did not answer on {self.url} within {START_LIMIT:g} s. {self._log_tail()}"
            ) from None
        except BaseException:
            await self.stop()
            raise

    async def register_user(self, name: str, password: str, admin: bool = False) -> str:
        """Make an account by the shared-secret API; returns an access token.

        An account that is already there is logged in to. Raises SynapseError.
        """
        async with aiohttp.ClientSession() as session:
            path = "/_synapse/admin/v1/register"
            _, body = await self._call(session, "GET", path)
            role = "admin" if admin else "notadmin"
            words = "\x00".join((body["nonce"], name, password, role))
            secret = self._kept_secret("registration_shared_secret")
            mac = hmac.new(secret.encode(), words.encode(), hashlib.sha1).hexdigest()
            request = {
                "nonce": body["nonce"],
                "username": name,
                "password": password,
                "admin": admin,
                "mac": mac,
            }
            status, body = await self._call(session, "POST", path, request)
            if body.get("errcode") == "M_USER_IN_USE":
                login = {
                    "type": "m.login.password",
                    "identifier": {"type": "m.id.user", "user": name},
                    "password": password,
                }
                status, body = await self._call(session, "POST", "/_matrix/client/v3/login", login)
            if status != 200:
                raise SynapseError(f"Synapse did not register {name}: {body.get('error')}")
            return str(body["access_token"])

    async def stop(self) -> None:
        """End the server: ask, then kill. Stopping a stopped server does nothing."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.kill()
            raise

    async def _until_healthy(self, process: asyncio.subprocess.Process) -> None:
        patience = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=patience) as session:
            while True:
                if process.returncode is not None:
                    raise SynapseError(
                        f"Synapse ended at once with status {process.returncode}. "
                        + self._log_tail()
                    )
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/health") as response:
                        # Another server on this port may answer /health while ours is failing.
                        if response.status == 200 and process.returncode is None:
                            return
                await asyncio.sleep(0.1)

    async def _call(
        self, session: aiohttp.ClientSession, method: str, path: str, body: object = None
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with session.request(method, self.url + path, json=body) as response:
                answer = await response.json()
                return response.status, answer if isinstance(answer, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise SynapseError(f"Synapse did not answer {method} {path}: {error}") from error

    def _kept_secret(self, name: str) -> str:
        """A secret made once and kept in the folder, so that a second start knows the first."""
        file = self.folder / name
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
                stream.write(secrets.token_urlsafe(32))
        return file.read_text()

    def _log_tail(self) -> str:
        lines: deque[str] = deque(maxlen=15)
        for file in (self.folder / "homeserver.log", self.folder / "console.log"):
            if file.exists():
                lines.extend(file.read_text(errors="replace").splitlines())
        return "The end of its log:\n" + "\n".join(lines) if lines else "Its log is empty."

    def _write_config(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "signing.key"
        if not key.exists():
            seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            key.write_text(f"ed25519 a_porter {seed}\n")
            key.chmod(0o600)
        # JSON is YAML, so Synapse reads both files as they are.
        (self.folder / "log.yaml").write_text(json.dumps(self._log_config(), indent=2))
        config = self.folder / "homeserver.yaml"
        config.touch(mode=0o600)
        config.write_text(json.dumps(self._config(), indent=2))

    def _log_config(self) -> dict[str, Any]:
        return {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.handlers.RotatingFileHandler",
                    "filename": str(self.folder / "homeserver.log"),
                    "maxBytes": 5_000_000,
                    "backupCount": 1,
                    "formatter": "plain",
                }
            },
            "root": {"level": "WARNING", "handlers": ["file"]},
        }

    def _config(self) -> dict[str, Any]:
        return {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "pid_file": str(self.folder / "homeserver.pid"),
            "log_config": str(self.folder / "log.yaml"),
            "signing_key_path": str(self.folder / "signing.key"),
            "media_store_path": str(self.folder / "media"),
            "database": {
                "name": "sqlite3",
                "args": {"database": str(self.folder / "homeserver.db")},
            },
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "tls": False,
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client"], "compress": False}],
                }
            ],
            "federation_domain_whitelist": [],
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "report_stats": False,
            "presence": {"enabled": False},
            "url_preview_enabled": False,
            "enable_registration": True,
            "registration_requires_token": True,
            "registration_shared_secret": self._kept_secret("registration_shared_secret"),
            "macaroon_secret_key": self._kept_secret("macaroon_secret_key"),
            "form_secret": self._kept_secret("form_secret"),
            "bcrypt_rounds": 4,  # passwords of a demo; the tour should not wait for them
            "rc_message": _GENEROUS,
            "rc_registration": _GENEROUS,
            "rc_registration_token_validity": _GENEROUS,
            "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _GENEROUS),
            "rc_joins": dict.fromkeys(("local", "remote"), _GENEROUS),
            "rc_joins_per_room": _GENEROUS,
            "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _GENEROUS),
            "rc_room_creation": _GENEROUS,
        }
