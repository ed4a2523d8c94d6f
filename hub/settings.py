"""The settings of one hub process: read once at the start, then handed to whoever needs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DATABASE_VARIABLE = "MICROBALANCE_DATABASE_URL"
"""Environment variable with the database URL: a password does not belong on a command line that others can list."""

MQTT_PORT = 1883


class SettingsError(ValueError):
    """A value from the command line or the environment that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """county: the county folder; run: the folder of what is the hub's own; broker: an external one, None: embedded.

    province_url: of the provincial market's API. api: where the console and the API listen. control: where the
    conductor of a run in virtual time listens, None on the wall clock.
    """

    county: Path
    run: Path
    database_url: str
    broker: Address | None
    province_url: str | None
    api: Address | None
    control: Address | None

    @property
    def hub_folder(self) -> Path:
        """Return the folder in which the hub keeps what is its own."""
        return self.run

    @property
    def credentials_folder(self) -> Path:
        """Return the folder of the MQTT credentials."""
        return self.hub_folder / "credentials"

    @property
    def access_keys_file(self) -> Path:
        """Return the file of those who may call the API with a key; without it, this machine is the operator's."""
        return self.hub_folder / "api-keys.json"

    @property
    def month_terms_file(self) -> Path:
        """Return the file of the terms by which months are settled; without it, no month is billed by itself."""
        return self.hub_folder / "month-terms.json"

    @property
    def broker_folder(self) -> Path:
        """Return the folder of the embedded broker: its configuration, state and log."""
        return self.hub_folder / "broker"


def read_settings(
    environment: Mapping[str, str],
    *,
    county: Path,
    run: Path,
    database: str | None = None,
    broker: str | None = None,
    province: str | None = None,
    api: str | None = None,
    control: str | None = None,
) -> Settings:
    """Return the settings from command-line values, the environment and defaults.

    :param environment: os.environ
    :param database: database URL; without one and without DATABASE_VARIABLE it is hub.db in the run folder
    :param broker: mqtt://host:port
    :param province: http://host:port
    :param api: host:port
    :param control: host:port
    :raises SettingsError: if a value cannot be used
    """
    default_database = f"sqlite:///{(run / 'hub.db').resolve()}"
    return Settings(
        county=county,
        run=run,
        database_url=database or environment.get(DATABASE_VARIABLE) or default_database,
        broker=None if broker is None else parse_broker_url(broker),
        province_url=province,
        api=None if api is None else parse_address(api),
        control=None if control is None else parse_address(control),
    )


def parse_address(text: str) -> Address:
    """Return the address written as host:port.

    :raises SettingsError: if the text is anything else
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise SettingsError(f"{text!r} is not an address; write host:port")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def parse_broker_url(text: str) -> Address:
    """Return the address in mqtt://host:port; without a port it is MQTT_PORT.

    :raises SettingsError: if the text is anything else
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "mqtt" or not host or parts.path not in {"", "/"} or parts.username or parts.query:
        raise SettingsError(f"{text!r} is not a broker; write mqtt://host:port")
    return Address(host, port or MQTT_PORT)
