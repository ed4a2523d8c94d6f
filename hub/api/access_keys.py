"""The file of those who may call the API with a key: made, read, and taken from.

The file holds the SHA-256 of each key alone; a key is shown once, to who issues it. A serving hub reads the file when
it starts.
"""

import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from hub.market.registry.access import Role
from hub.settings import SettingsError
from hub.usecases.prepare_county import write_private_file

SECRET_BYTES = 32

OF_NO_PARTICIPANT = frozenset({Role.OPERATOR, Role.COMMITTEE, Role.REGULATOR})
"""Roles that see the whole market; every other acts for one participant."""


class AccessKeysError(SettingsError):
    """The file of keys cannot be used, or a key cannot be issued; the message is one line."""


class AccessKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file of keys. key_sha256: of the key, 64 hexadecimal digits."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    key_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    role: Role
    participant_id: str | None = None


def read_key_file(path: Path) -> tuple[AccessKey, ...]:
    """Return the keys in the file; none if there is no file.

    :raises AccessKeysError: if the file is no list of keys
    """
    try:
        return tuple(msgspec.json.decode(path.read_bytes(), type=list[AccessKey]))
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AccessKeysError(f"{path}: {' '.join(str(error).split())}") from None


def issue_key(path: Path, *, name: str, role: Role, participant_id: str | None) -> str:
    """Add a key for somebody new to the file and return it; nobody can read it there afterwards.

    :raises AccessKeysError: if the name is taken, the role and the participant do not belong together, or no operator
        would have a key: once there is one, this machine alone is no operator any more
    """
    keys = read_key_file(path)
    if any(key.name == name for key in keys):
        raise AccessKeysError(f"{name} has a key already; revoke it first")
    if role is not Role.OPERATOR and not _operators(keys):
        raise AccessKeysError("issue an operator's key first: once there are keys, an operator needs one too")
    if (participant_id is None) != (role in OF_NO_PARTICIPANT):
        needs = "acts for no participant" if role in OF_NO_PARTICIPANT else "acts for a participant: say which"
        raise AccessKeysError(f"{name}: {role.value} {needs}")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    fields = {"name": name, "key_sha256": sha256(secret.encode()).hexdigest(), "role": role.value}
    try:
        new = msgspec.convert({**fields, "participant_id": participant_id}, AccessKey)
    except msgspec.ValidationError as error:
        raise AccessKeysError(f"{name!r}: {error}") from None
    _write(path, (*keys, new))
    return secret


def revoke_key(path: Path, name: str) -> None:
    """Take somebody's key from the file.

    :raises AccessKeysError: if nobody is called so, or no operator would be left
    """
    keys = read_key_file(path)
    left = tuple(key for key in keys if key.name != name)
    if len(left) == len(keys):
        raise AccessKeysError(f"nobody called {name} has a key in {path}")
    if not _operators(left):
        raise AccessKeysError(f"{name} is the last operator with a key; to do without keys again, remove {path}")
    _write(path, left)


def _operators(keys: tuple[AccessKey, ...]) -> int:
    return sum(key.role is Role.OPERATOR for key in keys)


def _write(path: Path, keys: tuple[AccessKey, ...]) -> None:
    try:
        write_private_file(path, msgspec.json.format(msgspec.json.encode(keys)) + b"\n")
    except OSError as error:
        raise AccessKeysError(f"{path}: {error.strerror}") from None
