"""The closed lists of the registry: participant classes, statuses and modes. Products: hub.market.listing.products.

The four seller classes are those of the contract with the edge (requirements row 1); the utility's generation, wires,
supply, agency purchase and its part as platform operator are classes of their own (row 4).
"""

from enum import Enum

from edge.contract.registry import SellerClass


class ParticipantClass(Enum):
    """What a participant is in the market. A utility has one participant for each of its arms (row 4).

    DSO_OWN_GENERATION is D_gen, NETWORK_ARM D_net, SUPPLY_ARM D_sup, AGENCY_BOOK its purchases for agency users.
    GENERATOR: a plant of the wholesale market (coal, gas, ...), a party to listings only.
    """

    PROSUMER = "PROSUMER"
    MICROGRID_OPERATOR = "MICROGRID_OPERATOR"
    INDEPENDENT_DG_DEVELOPER = "INDEPENDENT_DG_DEVELOPER"
    DSO_OWN_GENERATION = "DSO_OWN_GENERATION"
    POWER_USER = "POWER_USER"
    WHOLESALE_USER = "WHOLESALE_USER"
    RETAILER = "RETAILER"
    GENERATOR = "GENERATOR"
    INDEPENDENT_STORAGE = "INDEPENDENT_STORAGE"
    PUMPED_STORAGE = "PUMPED_STORAGE"
    VIRTUAL_POWER_PLANT = "VIRTUAL_POWER_PLANT"
    AGGREGATOR = "AGGREGATOR"
    SUPPLY_ARM = "SUPPLY_ARM"
    NETWORK_ARM = "NETWORK_ARM"
    AGENCY_BOOK = "AGENCY_BOOK"
    PLATFORM_OPERATOR = "PLATFORM_OPERATOR"


SELLER_CLASSES = frozenset(ParticipantClass(seller.value) for seller in SellerClass)
"""Row 1: exactly four."""
UTILITY_CLASSES = frozenset(
    {
        ParticipantClass.DSO_OWN_GENERATION,
        ParticipantClass.SUPPLY_ARM,
        ParticipantClass.NETWORK_ARM,
        ParticipantClass.AGENCY_BOOK,
    }
)
"""Classes that only a utility's arm can have."""
USER_CLASSES = frozenset(
    {
        ParticipantClass.POWER_USER,
        ParticipantClass.WHOLESALE_USER,
        ParticipantClass.PROSUMER,
        ParticipantClass.MICROGRID_OPERATOR,
    }
)
"""Classes that may hold a user's metering point."""
LISTING_CLASSES = frozenset(
    {
        *SELLER_CLASSES,
        ParticipantClass.GENERATOR,
        ParticipantClass.RETAILER,
        ParticipantClass.WHOLESALE_USER,
        ParticipantClass.INDEPENDENT_STORAGE,
        ParticipantClass.PUMPED_STORAGE,
        ParticipantClass.VIRTUAL_POWER_PLANT,
        ParticipantClass.SUPPLY_ARM,
        ParticipantClass.AGENCY_BOOK,
    }
)
"""Row 3: generators, retailers, wholesale users, independent and pumped storage, virtual plants; the grid company's
arms list in products 3 and 4 (rows 33, 34)."""
STORAGE_CLASSES = frozenset({ParticipantClass.INDEPENDENT_STORAGE, ParticipantClass.PUMPED_STORAGE})


class LegalKind(Enum):
    """Who can sign: rows 1, 12."""

    NATURAL_PERSON = "NATURAL_PERSON"
    LEGAL_PERSON = "LEGAL_PERSON"


class ParticipantStatus(Enum):
    """Where a participant stands. APPLIED: access conditions met, admission not completed (row 3)."""

    APPLIED = "APPLIED"
    ADMITTED = "ADMITTED"
    SUSPENDED = "SUSPENDED"
    EXIT_REVIEW = "EXIT_REVIEW"
    EXITED = "EXITED"


class OperatingMode(Enum):
    """Row 18: results checked by the provincial exchange, or a market of its own."""

    SUB_MARKET = "SUB_MARKET"
    INDEPENDENT = "INDEPENDENT"


class Hosting(Enum):
    """Row 19: who runs the platform."""

    PROVINCIAL_EXCHANGE = "PROVINCIAL_EXCHANGE"
    DSO_CITY = "DSO_CITY"
    DSO_COUNTY = "DSO_COUNTY"


class BiddingMode(Enum):
    """Row 60: what an order of a class says."""

    QUANTITY_ONLY = "QUANTITY_ONLY"
    QUANTITY_AND_PRICE = "QUANTITY_AND_PRICE"
    PRICE_TAKER = "PRICE_TAKER"


class TariffKind(Enum):
    """A user's network tariff (row 2)."""

    SINGLE_PART = "SINGLE_PART"
    TWO_PART = "TWO_PART"


class Technology(Enum):
    """What a project generates from. Coal and gas are thermal (row 8)."""

    WIND = "WIND"
    SOLAR = "SOLAR"
    HYDRO = "HYDRO"
    BIOMASS = "BIOMASS"
    GAS = "GAS"
    COAL = "COAL"
    OTHER = "OTHER"


class StorageKind(Enum):
    """Row 135: storage of its own, or joined to a plant or a user as one settlement unit."""

    INDEPENDENT = "INDEPENDENT"
    PUMPED = "PUMPED"
    SOURCE_SIDE = "SOURCE_SIDE"
    USER_SIDE = "USER_SIDE"


class Direction(Enum):
    """Which way a listing or a take goes."""

    SELL = "SELL"
    BUY = "BUY"


class ContractKind(Enum):
    """What a contract is for. LISTING: a result of a listing session; RETAIL: a user's package with its retailer."""

    DIRECT = "DIRECT"
    COMMISSION = "COMMISSION"
    RETAIL = "RETAIL"
    LISTING = "LISTING"


class SettlementMethod(Enum):
    """How a contract is settled (rows 25, 50, 51)."""

    DIFFERENCE = "DIFFERENCE"
    DEVIATION = "DEVIATION"


class MarketStage(Enum):
    """The six stages of a province's spot market, in order (row 63)."""

    MOCK = 1
    DISPATCH_TRIAL = 2
    SHORT_SETTLEMENT_TRIAL = 3
    LONG_SETTLEMENT_TRIAL = 4
    UNINTERRUPTED = 5
    FORMAL = 6
