"""Files on their way into the room: encrypted before the homeserver sees them, where the room is.

https://spec.matrix.org/v1.16/client-server-api/#sending-encrypted-attachments
"""

import io
from typing import Any

from nio.crypto.attachments import encrypt_attachment

from bot.answers import Attachment
from bot.room.session import Session
from gateway.rules.letters import visible


async def upload(session: Session, attachment: Attachment, encrypted: bool) -> dict[str, Any]:
    """Upload a file; returns the content of the message that shows it.

    Raises Unanswered, Refused or RoomError.
    """
    data, keys = encrypt_attachment(attachment.data) if encrypted else (attachment.data, {})

    async def send() -> Any:
        answer, _ = await session.client.upload(
            io.BytesIO(data),
            content_type="application/octet-stream" if encrypted else attachment.content_type,
            filename=None if encrypted else attachment.name,
            filesize=len(data),
        )
        return answer

    url = str((await session.ask(send)).content_uri)
    info: dict[str, Any] = {"mimetype": attachment.content_type, "size": len(attachment.data)}
    if attachment.size is not None:
        info |= dict(zip(("w", "h"), attachment.size, strict=True))
    is_picture = attachment.content_type.startswith("image/")
    return {
        "msgtype": "m.image" if is_picture else "m.file",
        "body": visible(attachment.text) or attachment.name,
        "filename": attachment.name,
        "info": info,
        "m.mentions": {},
    } | ({"file": {"url": url} | keys} if encrypted else {"url": url})
