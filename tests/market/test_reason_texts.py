"""Every reason that the market can give has a text in both languages; a new reason without one fails here."""

import importlib
import pkgutil
from collections.abc import Iterator
from enum import Enum

import pytest

import hub.market
from hub.market.clear_horizon import FillReason
from hub.market.continuous_book import EventOutcome
from hub.market.coupled.clearing import BlockOutcome
from hub.market.listing.agency_purchase import CorrectionReason
from hub.market.listing.outcomes import RefusalReason
from hub.market.order_reasons import OrderReason
from hub.market.price_reason import PriceReason
from hub.market.reason_code import ReasonCode
from hub.market.registry.outcomes import Refusal, WaitingReason
from hub.texts import LANGUAGES, load_texts

ENDINGS = ("Refusal", "Rejection", "Fault", "Reason")
AREAS: dict[type[Enum], str] = {
    OrderReason: "fills",
    FillReason: "fills",
    EventOutcome: "fills",
    BlockOutcome: "fills",
    CorrectionReason: "corrections",
    PriceReason: "priceReasons",
}


def reasons() -> Iterator[type[Enum]]:
    """All enumerations of hub.market that say why something did not stand, and those of AREAS."""
    for module in pkgutil.walk_packages(hub.market.__path__, "hub.market."):
        for found in vars(importlib.import_module(module.name)).values():
            is_reason = isinstance(found, type) and issubclass(found, Enum) and found is not ReasonCode
            if is_reason and found.__module__ == module.name and (found.__name__.endswith(ENDINGS) or found in AREAS):
                yield found


REASONS = sorted(reasons(), key=lambda one: (one.__module__, one.__name__))


def test_the_search_finds_what_it_is_for() -> None:
    assert {Refusal, WaitingReason, RefusalReason, *AREAS} <= set(REASONS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_reason_has_a_text(kind: type[Enum], language: str) -> None:
    texts = load_texts(language)[AREAS.get(kind, "reasons")]
    slugs = [one.slug if isinstance(one, ReasonCode) else one.value for one in kind]
    assert [slug for slug in slugs if slug not in texts] == []
