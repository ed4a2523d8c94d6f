"""Texts for people, zh-CN first: one catalogue a language, read by the console's build and by the reports.

Keys go by area ("common", "accounts", "report", ...); a name in braces is filled in. Both hold the same keys.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TypeAlias

LANGUAGES = ("zh-CN", "en")

Texts: TypeAlias = Mapping[str, "str | Texts"]


@cache
def load_texts(language: str) -> Texts:
    """Return the catalogue of a language of LANGUAGES."""
    assert language in LANGUAGES
    texts: Texts = json.loads(files(__name__).joinpath(f"{language}.json").read_text("utf-8"))
    return texts


def text(language: str, key: str, **values: object) -> str:
    """Return the text of a dotted key, such as "common.total", with its names in braces filled in.

    A key that is in no catalogue is a bug and raises KeyError.
    """
    found: str | Texts = load_texts(language)
    for part in key.split("."):
        assert not isinstance(found, str), f"{key} goes below a text"
        found = found[part]
    assert isinstance(found, str), f"{key} is an area, not a text"
    return found.format(**values)
