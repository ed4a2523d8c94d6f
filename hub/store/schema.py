"""Create the schema and bring it up to date: Alembic, called from the program, scripts inside the package."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hub.store.engine import open_engine

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Bring the database to the newest schema; an empty one gets it whole, a current one is left as it is.

    :raises hub.store.engine.StoreUrlError: if the URL names no database that is supported
    """
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def newest_revision() -> str:
    """Return the name of the newest migration in the package."""
    head = ScriptDirectory(str(SCRIPTS)).get_current_head()
    assert head is not None
    return head


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
