"""Prepare the hub for a county: registry into the database, and an MQTT credential for every gateway and the hub.

A credential is a file of mode 0600 with user, password, client id, host and port. Client ids are the name and 128
random bits, because on most brokers whoever connects with another one's client id throws it out (DESIGN 8 "Broker").
Preparing again changes nothing: credentials that are there stay, so that edges need not be told twice.
"""

import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from sqlalchemy import Engine
from sqlmodel import Session, select

from edge.contract.registry import Registry, RegistryError, decode_registry
from edge.contract.topics import is_name
from hub.market.registry_columns import units_in_tree_order
from hub.store.registry import county_of, load_registry, save_registry
from hub.store.tables import MeterStatusRow

HUB_USER = "hub"
SECRET_BYTES = 16


class PrepareError(ValueError):
    """The county cannot be prepared as asked; the message says what is wrong in one line."""


class Credential(msgspec.Struct, frozen=True):
    """What one MQTT client connects with."""

    user: str
    password: str
    client_id: str
    host: str
    port: int


def load_county(engine: Engine, registry_path: Path) -> Registry:
    """Load the registry file into a migrated database and return it; the same file again changes nothing.

    :raises PrepareError: if the file is unreadable or no registry, or the database holds another one
    """
    try:
        data = registry_path.read_bytes()
        registry = decode_registry(data)
    except OSError as error:
        raise PrepareError(f"cannot read {registry_path}: {error.strerror}") from None
    except RegistryError as error:
        raise PrepareError(f"{registry_path}: {error}") from None
    _check(registry, registry_path)
    digest = sha256(data).hexdigest()
    with Session(engine) as session:
        present = county_of(session)
        if present is None:
            save_registry(session, registry, digest)
            if load_registry(session) != msgspec.structs.replace(registry, units=units_in_tree_order(registry)):
                raise PrepareError(f"{registry_path}: gateways or a gateway's meters are not in order of id")
            session.commit()
        elif present != (registry.county, digest):
            raise PrepareError(f"the database holds another registry, of county {present[0]!r}")
    return registry


def check_unused(engine: Engine) -> None:
    """Check that no run has begun on the database: it holds no reading.

    :raises PrepareError: if it holds one
    """
    with Session(engine) as session:
        if session.exec(select(MeterStatusRow.meter).limit(1)).first() is not None:
            raise PrepareError("the database holds readings of an earlier run; a new run needs an empty one")


def issue_credentials(folder: Path, users: Sequence[str], host: str, port: int) -> dict[str, Credential]:
    """Return the credential of every user, by user; those that have none yet get a new file in the folder.

    :param users: gateway ids and HUB_USER
    :raises PrepareError: if a file is unreadable or was issued for another broker address
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    credentials = {}
    for user in users:
        path = folder / f"{user}.json"
        credential = read_credential(path) if path.exists() else _new_credential(path, user, host, port)
        if (credential.host, credential.port) != (host, port):
            raise PrepareError(
                f"{path} is for {credential.host}:{credential.port}, not {host}:{port}; remove the folder to issue anew"
            )
        credentials[user] = credential
    return credentials


def read_credential(path: Path) -> Credential:
    """Return the credential in the file.

    :raises PrepareError: if there is none
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credential)
    except OSError as error:
        raise PrepareError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise PrepareError(f"{path} is not a credential: {error}") from None


def write_private_file(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


def _new_credential(path: Path, user: str, host: str, port: int) -> Credential:
    credential = Credential(
        user=user,
        password=secrets.token_hex(SECRET_BYTES),
        client_id=f"{user}-{secrets.token_hex(SECRET_BYTES)}",
        host=host,
        port=port,
    )
    write_private_file(path, msgspec.json.encode(credential) + b"\n")
    return credential


def _check(registry: Registry, path: Path) -> None:
    """Refuse what the file may say but MQTT topics or the ingest cannot carry."""
    names = [registry.county, *(gateway.gateway_id for gateway in registry.gateways)]
    names += [gateway.shard for gateway in registry.gateways] + [point.meter_id for point in registry.metering_points]
    bad = next((name for name in names if not is_name(name)), None)
    if bad is not None:
        raise PrepareError(f"{path}: the name {bad!r} has a character outside A-Z a-z 0-9 _ -")
    if any(gateway.gateway_id == HUB_USER for gateway in registry.gateways):
        raise PrepareError(f"{path}: a gateway must not be called {HUB_USER!r}")
    mute = next((point.meter_id for point in registry.metering_points if not point.channels), None)
    if mute is not None:
        raise PrepareError(f"{path}: meter {mute} has no channels")
