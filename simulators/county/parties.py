"""Who owns a metering point, how its energy is bought and sold. Seeded by the names of the network's elements."""

from dataclasses import dataclass
from typing import Final

from edge.contract.registry import MeterKind, Participant, SaleMode, SellerClass, SupplyMode, UserCategory
from grid_models.networks import Network
from simulators.county import parameters
from simulators.county.composition import Site, SiteKind, category_of_load
from simulators.county.meter_plan import PlannedMeter
from simulators.seeded_draws import draw_below, happens

UTILITY_NETWORK: Final = "utility network"
UTILITY_GENERATION: Final = "utility generation"
MICROGRID_OPERATOR: Final = "microgrid operator"


@dataclass(frozen=True)
class Terms:
    """Owner and modes of one metering point."""

    participant_id: str
    supply_mode: SupplyMode
    sale_mode: SaleMode
    category: UserCategory | None
    clean: bool


class Parties:
    """Numbers participants in the order in which their first metering point is asked for."""

    def __init__(self, network: Network, seed: int, meters: tuple[PlannedMeter, ...]) -> None:
        self._network = network
        self._seed = seed
        self._selling = {
            site.main_load for meter in meters if (site := meter.site) is not None and site.kind is SiteKind.PROSUMER
        }
        self._participants: dict[str, Participant] = {}
        self._participant_id(UTILITY_NETWORK, None)
        self._participant_id(UTILITY_GENERATION, SellerClass.DSO_OWN_GENERATION)
        self._participant_id(MICROGRID_OPERATOR, SellerClass.MICROGRID_OPERATOR)

    def participants(self) -> tuple[Participant, ...]:
        """Return every participant so far, by id."""
        return tuple(self._participants.values())

    def terms(self, meter: PlannedMeter, *, medium_voltage: bool) -> Terms:
        """Return owner and modes of the metering point."""
        if meter.kind is MeterKind.MICROGRID_GATEWAY:
            operator = self._participants[MICROGRID_OPERATOR].participant_id
            return Terms(operator, SupplyMode.DIRECT, SaleMode.DIRECT, UserCategory.COMMERCIAL_INDUSTRIAL, clean=True)
        if meter.kind is MeterKind.INTERNAL:
            operator = self._participants[MICROGRID_OPERATOR].participant_id
            clean = meter.site is not None and bool(meter.site.generators)
            return Terms(operator, SupplyMode.NONE, SaleMode.NONE, None, clean=clean)
        if meter.site is None:
            owner = self._participants[UTILITY_NETWORK].participant_id
            return Terms(owner, SupplyMode.NONE, SaleMode.NONE, None, clean=False)
        if meter.site.kind in {SiteKind.PLANT, SiteKind.UTILITY_PLANT}:
            return self._plant_terms(meter.site)
        return self._customer_terms(meter.site, medium_voltage=medium_voltage)

    def _plant_terms(self, site: Site) -> Terms:
        """Return the terms of a plant with a meter of its own; its station service would be agency supply."""
        if site.kind is SiteKind.UTILITY_PLANT:
            owner, sale_mode = self._participants[UTILITY_GENERATION].participant_id, SaleMode.PURCHASE
        else:
            name = self._network.generators.name[site.generators[0]]
            owner = self._participant_id(name, SellerClass.INDEPENDENT_DG_DEVELOPER)
            sale_mode = self._sale_mode(name)
        return Terms(owner, SupplyMode.AGENCY, sale_mode, UserCategory.COMMERCIAL_INDUSTRIAL, clean=True)

    def _customer_terms(self, site: Site, *, medium_voltage: bool) -> Terms:
        loads = self._network.loads
        if site.main_load is None:
            assert site.storage is not None
            name, category = self._network.storages.name[site.storage], UserCategory.RESIDENTIAL
        else:
            name, category = loads.name[site.main_load], category_of_load(loads.profile[site.main_load])
        selling = site.kind is SiteKind.PROSUMER or site.main_load in self._selling
        owner = self._participant_id(name, SellerClass.PROSUMER if selling else None)
        sale_mode = SaleMode.NONE
        if site.kind is SiteKind.PROSUMER:
            # A battery alone never exports; if it did, the utility would buy.
            sale_mode = self._sale_mode(name) if site.generators else SaleMode.PURCHASE
        supply_mode = self._supply_mode(name, category, medium_voltage=medium_voltage)
        return Terms(owner, supply_mode, sale_mode, category, clean=bool(site.generators))

    def _supply_mode(self, name: str, category: UserCategory, *, medium_voltage: bool) -> SupplyMode:
        direct_per_mille, otherwise = {
            UserCategory.RESIDENTIAL: (parameters.SUPPLY_DIRECT_PER_MILLE_HOUSEHOLD, SupplyMode.GUARANTEED),
            UserCategory.AGRICULTURAL: (parameters.SUPPLY_DIRECT_PER_MILLE_FARM, SupplyMode.GUARANTEED),
            UserCategory.COMMERCIAL_INDUSTRIAL: (parameters.SUPPLY_DIRECT_PER_MILLE_COMMERCIAL, SupplyMode.AGENCY),
        }[category]
        if medium_voltage:
            direct_per_mille = parameters.SUPPLY_DIRECT_PER_MILLE_MEDIUM_VOLTAGE
        return SupplyMode.DIRECT if happens(direct_per_mille, self._seed, "supply", name) else otherwise

    def _sale_mode(self, name: str) -> SaleMode:
        draw = draw_below(1000, self._seed, "sale", name)
        if draw < parameters.SALE_DIRECT_PER_MILLE:
            return SaleMode.DIRECT
        if draw < parameters.SALE_DIRECT_PER_MILLE + parameters.SALE_COMMISSION_PER_MILLE:
            return SaleMode.COMMISSION
        return SaleMode.PURCHASE

    def _participant_id(self, key: str, seller_class: SellerClass | None) -> str:
        if key not in self._participants:
            self._participants[key] = Participant(f"P{len(self._participants) + 1:05d}", seller_class)
        return self._participants[key].participant_id
