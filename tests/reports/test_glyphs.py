from collections.abc import Iterator

import pytest

from edge.contract.registry import SellerClass, UnitKind
from grid_models.security_states import LimitKind
from hub.market.curtailment import CurtailmentRule
from hub.market.order_rules import OrderRefusal
from hub.reports.day_figures import MODES, STAGES
from hub.reports.glyphs import MissingGlyphError, check_printable, printable_characters, printable_text
from hub.reports.wording import NO_DATA, Wording
from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES
from hub.settlement.metering import RULE_NAMES
from hub.settlement.transfers import TransferKind
from hub.store.tables import RefusedKind
from hub.texts import LANGUAGES, Texts, load_texts
from hub.usecases.admit_readings import ReadingRefusal
from hub.usecases.record_responses import ResponseRefusal

PRINTED_AREAS = (
    *("report", "common", "units", "modes", "accounts", "refused", "reasons", "causes", "lines", "kinds", "sides"),
    *("violations",),
)


def texts_in(area: Texts | str) -> Iterator[str]:
    if isinstance(area, str):
        yield area
    else:
        for one in area.values():
            yield from texts_in(one)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_catalogue_can_be_printed(language: str) -> None:
    for area in PRINTED_AREAS:
        check_printable(texts_in(load_texts(language)[area]))
    check_printable([NO_DATA, "▲●→−·"])


def test_a_character_without_glyph_is_named_with_the_text_that_holds_it() -> None:
    with pytest.raises(MissingGlyphError, match=r"no glyph for '龘' \(U\+9F98\) in '地名 龘'"):
        check_printable(["运行日报告", "地名 龘"])


def test_a_name_from_outside_is_printed_with_what_has_no_glyph_spelled_out() -> None:
    assert printable_text("线路 龘-1") == "线路 [U+9F98]-1"
    assert printable_text("trafo\n") == "trafo[U+000A]"
    assert set(printable_text("\N{FACE WITH TEARS OF JOY}ß")) <= printable_characters()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_store_has_a_name(language: str) -> None:
    codes = {
        "accounts": [*SYSTEM_ACCOUNT_NAMES, "USERS", *(one.value for one in SellerClass)],
        "refused": [one.name for one in RefusedKind],
        "reasons": [one.value for group in (OrderRefusal, ReadingRefusal, ResponseRefusal) for one in group],
        "causes": ["export-limit", "network-check", "curtailment", *(one.value for one in CurtailmentRule)],
        "violations": [one.value for one in LimitKind],
        "kinds": [one.value for one in UnitKind],
        "lines": [one.name for one in TransferKind],
        "modes": [str(mode) for mode in MODES],
        "report": [f"rule-{rule}" for rule in RULE_NAMES[1:]] + [f"law{law}" for law in range(1, 9)],
    }
    for area, names in codes.items():
        unnamed = set(names) - load_texts(language)[area].keys()
        assert not unnamed, f"{language} {area}: {unnamed}"
    words = Wording(language)
    assert all(words.say(f"stage_{stage}") for stage in STAGES)
    assert words.named("reasons", "off-lot") == load_texts(language)["reasons"]["off-lot"]
    assert words.named("reasons", "no-such-reason") == "no-such-reason"


def test_both_languages_fill_in_the_same_values() -> None:
    chinese, english = (dict(load_texts(language)["report"]) for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    for key, text in chinese.items():
        names = {part.partition("}")[0] for part in text.split("{")[1:]}
        assert names == {part.partition("}")[0] for part in english[key].split("{")[1:]}, key
