"""Parameter documents that are shipped with the program, as data."""

from importlib import resources

DEMO_DOCUMENT = "demo.json"
DEMO_PROVINCE = "demo"


def shipped_parameters(document: str = DEMO_DOCUMENT) -> bytes:
    """Return the bytes of a shipped parameter document (prices.decode_parameters reads them)."""
    return resources.files(__name__).joinpath(document).read_bytes()
