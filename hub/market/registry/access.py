"""Who may read what: one table (requirements rows 4, 36, 155, 160). What is not in it may not be read.

A utility's arms read as apart as strangers: its trader sees no other seller's open quotas, its wires no orders.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from hub.market.registry.participant_classes import ParticipantClass


class Role(Enum):
    """As whom somebody is logged in. D_* and AGENCY_BOOK are a utility's arms, OPERATOR the platform's."""

    SELLER = "SELLER"
    USER = "USER"
    RETAILER = "RETAILER"
    STORAGE = "STORAGE"
    AGGREGATOR = "AGGREGATOR"
    D_GEN = "D_GEN"
    D_SUP = "D_SUP"
    D_NET = "D_NET"
    AGENCY_BOOK = "AGENCY_BOOK"
    OPERATOR = "OPERATOR"
    COMMITTEE = "COMMITTEE"
    REGULATOR = "REGULATOR"


class Resource(Enum):
    """What there is to read. OWN_*: the reader's own only."""

    OWN_RECORD = "OWN_RECORD"
    OWN_ORDERS = "OWN_ORDERS"
    OWN_QUOTAS = "OWN_QUOTAS"
    OWN_STATEMENTS = "OWN_STATEMENTS"
    OWN_READINGS = "OWN_READINGS"
    ANONYMOUS_BOOK = "ANONYMOUS_BOOK"
    PUBLISHED_RESULTS = "PUBLISHED_RESULTS"
    CAPACITY_LIST = "CAPACITY_LIST"
    IDENTIFIED_ORDERS = "IDENTIFIED_ORDERS"
    OTHERS_OPEN_QUOTAS = "OTHERS_OPEN_QUOTAS"
    PURCHASE_BOOK = "PURCHASE_BOOK"
    COMMISSION_BOOK = "COMMISSION_BOOK"
    SUPPLY_BOOK = "SUPPLY_BOOK"
    LOSS_BOOK = "LOSS_BOOK"
    AGENCY_PURCHASES = "AGENCY_PURCHASES"
    NETWORK_STATE = "NETWORK_STATE"
    ALL_READINGS = "ALL_READINGS"
    ALL_STATEMENTS = "ALL_STATEMENTS"
    REGISTER = "REGISTER"
    WAITING_LIST = "WAITING_LIST"


_PARTICIPANT = frozenset(
    {
        Resource.OWN_RECORD,
        Resource.OWN_ORDERS,
        Resource.OWN_QUOTAS,
        Resource.OWN_STATEMENTS,
        Resource.OWN_READINGS,
        Resource.ANONYMOUS_BOOK,
        Resource.PUBLISHED_RESULTS,
        Resource.CAPACITY_LIST,
    }
)
_SUPERVISOR = frozenset(Resource)

READABLE: Mapping[Role, frozenset[Resource]] = MappingProxyType(
    {
        Role.SELLER: _PARTICIPANT,
        Role.USER: _PARTICIPANT,
        Role.RETAILER: _PARTICIPANT,
        Role.STORAGE: _PARTICIPANT,
        Role.AGGREGATOR: _PARTICIPANT,
        Role.D_GEN: _PARTICIPANT,
        # The supply arm trades its own books; what the agency pool buys is another book's.
        Role.D_SUP: _PARTICIPANT
        | {Resource.PURCHASE_BOOK, Resource.COMMISSION_BOOK, Resource.SUPPLY_BOOK, Resource.LOSS_BOOK},
        # The wires read the physical state and every meter, and no price or order before it is published.
        Role.D_NET: frozenset(
            {
                Resource.OWN_RECORD,
                Resource.OWN_STATEMENTS,
                Resource.PUBLISHED_RESULTS,
                Resource.CAPACITY_LIST,
                Resource.NETWORK_STATE,
                Resource.ALL_READINGS,
                Resource.WAITING_LIST,
            }
        ),
        Role.AGENCY_BOOK: _PARTICIPANT | {Resource.AGENCY_PURCHASES},
        Role.OPERATOR: _SUPERVISOR,
        # The users' committee audits results and money, not orders of a session that is open.
        Role.COMMITTEE: frozenset(
            {
                Resource.ANONYMOUS_BOOK,
                Resource.PUBLISHED_RESULTS,
                Resource.CAPACITY_LIST,
                Resource.AGENCY_PURCHASES,
                Resource.ALL_STATEMENTS,
                Resource.WAITING_LIST,
            }
        ),
        Role.REGULATOR: _SUPERVISOR,
    }
)

_ROLE_OF_CLASS: Mapping[ParticipantClass, Role] = MappingProxyType(
    {
        ParticipantClass.PROSUMER: Role.SELLER,
        ParticipantClass.MICROGRID_OPERATOR: Role.SELLER,
        ParticipantClass.INDEPENDENT_DG_DEVELOPER: Role.SELLER,
        ParticipantClass.GENERATOR: Role.SELLER,
        ParticipantClass.DSO_OWN_GENERATION: Role.D_GEN,
        ParticipantClass.POWER_USER: Role.USER,
        ParticipantClass.WHOLESALE_USER: Role.USER,
        ParticipantClass.RETAILER: Role.RETAILER,
        ParticipantClass.INDEPENDENT_STORAGE: Role.STORAGE,
        ParticipantClass.PUMPED_STORAGE: Role.STORAGE,
        ParticipantClass.VIRTUAL_POWER_PLANT: Role.AGGREGATOR,
        ParticipantClass.AGGREGATOR: Role.AGGREGATOR,
        ParticipantClass.SUPPLY_ARM: Role.D_SUP,
        ParticipantClass.NETWORK_ARM: Role.D_NET,
        ParticipantClass.AGENCY_BOOK: Role.AGENCY_BOOK,
        ParticipantClass.PLATFORM_OPERATOR: Role.OPERATOR,
    }
)


def may_read(role: Role, resource: Resource) -> bool:
    """Return whether the role may read the resource."""
    return resource in READABLE[role]


def role_of(participant_class: ParticipantClass) -> Role:
    """Return the role in which a participant of the class reads."""
    return _ROLE_OF_CLASS[participant_class]
