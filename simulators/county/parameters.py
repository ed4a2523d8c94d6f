"""Shares and sizes of the demo county. Seeded chances, so a share is met about, not exactly."""

from typing import Final

COUNTY_NAME: Final = "demo"
SHARD: Final = "s0"

# Behind whose meter a PV plant stands, where its bus has a household.
PROSUMER_PER_MILLE: Final = 700
# Of the PV plants with a meter of their own, so that about a tenth of all PV is the utility's.
UTILITY_OWNED_PER_MILLE: Final = 200

# The three trading modes of rows 24-26: DIRECT, then COMMISSION, the rest PURCHASE.
SALE_DIRECT_PER_MILLE: Final = 500
SALE_COMMISSION_PER_MILLE: Final = 250

# Who buys for itself; the rest is AGENCY (commercial) or GUARANTEED (residents, agriculture).
SUPPLY_DIRECT_PER_MILLE_HOUSEHOLD: Final = 350
SUPPLY_DIRECT_PER_MILLE_FARM: Final = 400
SUPPLY_DIRECT_PER_MILLE_COMMERCIAL: Final = 600
SUPPLY_DIRECT_PER_MILLE_MEDIUM_VOLTAGE: Final = 850

# The microgrid: an area with this much PV or more; its battery by the PV's nominal power.
MICROGRID_PV_W_MIN: Final = 200_000
MICROGRID_BATTERY_POWER_PER_MILLE_OF_PV: Final = 400
MICROGRID_BATTERY_HOURS: Final = 3
BATTERY_ROUND_TRIP_EFFICIENCY: Final = 0.95

# Batteries without generation behind the meter are filled from 11:00 to 15:00, when sun is plenty and prices are low.
VALLEY_FROM_POSITION: Final = 44
VALLEY_TO_POSITION: Final = 60
# Stored when the world starts, of the energy capacity: what a night usually finds. A battery that was full at 15:00 has
# given an evening's own load; one that lives on surplus has given more.
INITIAL_PER_MILLE_VALLEY: Final = (600, 900)
INITIAL_PER_MILLE_SURPLUS: Final = (0, 600)

CAPACITY_PER_MILLE_OF_PEAK: Final = 1300
CAPACITY_MARGIN_W: Final = 1000

# Rows before the day (warm-up takes two) and after it (orders look one interval ahead).
ROWS_BEFORE_DAY: Final = 8
ROWS_AFTER_DAY: Final = 8
PROFILE_YEAR: Final = 2016
