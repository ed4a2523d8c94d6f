"""The catalogues of texts: the same keys in both languages, and a word for every name that the hub can say."""

import string
from typing import get_args

import pytest

from edge.contract.registry import MeterKind, SaleMode, SellerClass, SupplyMode, UnitKind
from grid_models.capacity_list import ENTRY_FIELDS
from grid_models.connection_gate import ConnectionOutcome, WaitingReason
from grid_models.hosting import BindingKind
from grid_models.standard_2041 import Grade
from grid_models.standard_checks import Check
from hub.market.order_rules import OrderRefusal
from hub.market.province.hand_over import HandOverState, HandOverStep
from hub.market.registry.events import Event
from hub.market.registry.participant_classes import ParticipantClass, ParticipantStatus
from hub.market.registry.published_results import Finality
from hub.market.registry.register_document import OUTCOMES
from hub.market.timetable.exchange_schedule import Level
from hub.market.timetable.session_states import SessionAction, SessionState
from hub.market.timetable.sessions import SessionKind
from hub.market.trades import Party, TradeSide
from hub.mqtt import MessageRefusal
from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES
from hub.settlement.transfers import TransferKind
from hub.store.read_days import STAGES
from hub.store.tables import RefusedKind
from hub.texts import LANGUAGES, load_texts, text
from hub.usecases.admit_readings import ReadingRefusal
from hub.usecases.gather_assessment_inputs import OmissionReason
from hub.usecases.record_responses import ResponseRefusal


def flat(texts, prefix=""):
    for key, value in texts.items():
        if isinstance(value, str):
            yield prefix + key, value
        else:
            yield from flat(value, f"{prefix}{key}.")


def names_in_braces(value):
    return {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}


def test_both_languages_have_the_same_keys_and_fill_ins():
    chinese, english = (dict(flat(load_texts(language))) for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    for key in chinese:
        assert names_in_braces(chinese[key]) == names_in_braces(english[key]), key
        assert chinese[key].strip(), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("area", "names"),
    [
        ("lines", [kind.name for kind in TransferKind]),
        (
            "reasons",
            [
                one.value
                for refusal in (MessageRefusal, OrderRefusal, ReadingRefusal, ResponseRefusal)
                for one in refusal
            ],
        ),
        ("refused", [kind.name for kind in RefusedKind]),
        ("parties", [party.name for party in Party]),
        ("sides", [side.name for side in TradeSide]),
        ("kinds", [kind.value for kind in UnitKind]),
        ("supply", [mode.value for mode in SupplyMode]),
        ("sale", [mode.value for mode in SaleMode]),
        ("accounts", [*SYSTEM_ACCOUNT_NAMES, *(one.value for one in SellerClass)]),
        ("stages", STAGES),
        ("modes", ["0", "1", "2", "3"]),
        ("hosting", ENTRY_FIELDS),
        ("hostingOmissions", [reason.value for reason in OmissionReason]),
        ("hostingLimits", [kind.value for kind in BindingKind]),
        ("grades", [grade.value for grade in Grade]),
        ("checks", [check.value for check in Check]),
        ("checkOutcomes", ["passed", "failed", "not_assessed"]),
        ("connections", [one.__name__ for one in get_args(ConnectionOutcome)]),
        ("connections", [reason.value for reason in WaitingReason]),
        ("sessionKinds", [kind.value for kind in SessionKind]),
        ("sessionStates", [state.value for state in SessionState]),
        ("sessionMeanings", [state.value for state in SessionState]),
        ("sessionActions", [one.value for one in (*SessionAction, *HandOverStep)]),
        ("handOverStates", [state.value for state in HandOverState]),
        ("handOverMeanings", [state.value for state in HandOverState]),
        ("finality", [one.value for one in Finality]),
        ("levels", [level.value for level in Level]),
        ("participantClasses", [one.value for one in ParticipantClass]),
        ("participantStatuses", [one.value for one in ParticipantStatus]),
        ("meterKinds", [kind.value for kind in MeterKind]),
        ("registryEvents", [kind.__name__ for kind in get_args(Event)]),
        ("registryOutcomes", OUTCOMES),
    ],
)
def test_every_name_has_a_word(language, area, names):
    texts = load_texts(language)[area]
    assert [name for name in names if name not in texts] == []


def test_a_text_is_filled_in():
    assert text("zh-CN", "overview.ofInterval", label="12:15") == "12:15 时段"
    assert text("en", "overview.ofInterval", label="12:15") == "interval 12:15"
