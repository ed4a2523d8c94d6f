"""Names in pandapower's tables: filled in where they are missing, told apart where they stand twice.

The model names every element (see elements.py); files often do not.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from grid_models.pandapower_tables import texts

if TYPE_CHECKING:
    from pandapower import pandapowerNet
    from pandas import DataFrame

# A limit names its line or transformer, so these share their names; unbalanced loads stand among the loads.
_NAME_SPACES = (
    ("bus",),
    ("line", "trafo", "trafo3w"),
    ("load", "asymmetric_load"),
    ("sgen", "asymmetric_sgen"),
    ("storage",),
    ("ext_grid",),
    ("switch",),
    ("shunt",),
)
_WORDS = {
    "trafo": "transformer",
    "trafo3w": "transformer",
    "ext_grid": "feeding point",
    "sgen": "generator",
    "asymmetric_load": "load",
    "asymmetric_sgen": "generator",
}


def fill_names(net: "pandapowerNet") -> None:
    """Name every nameless element after its kind and its index in the file, "bus 7", in place.

    Where that name is taken it gets a number, "bus 7 (2)".
    """
    for kinds in _name_spaces(net):
        taken = {name for kind in kinds for name in texts(net[kind], "name")}
        for kind in kinds:
            table: DataFrame = net[kind]
            found = list(texts(table, "name"))
            for row, index in enumerate(table.index):
                if not found[row]:
                    found[row] = _free(f"{_WORDS.get(kind, kind)} {index}", taken)
                    taken.add(found[row])
            net[kind] = table.assign(name=found)


def tell_names_apart(net: "pandapowerNet") -> None:
    """Tell names that stand twice apart by a number, "NAME (2)", in place; for formats that let names repeat."""
    for kinds in _name_spaces(net):
        taken: set[str] = set()
        for kind in kinds:
            found = []
            for name in texts(net[kind], "name"):
                found.append(_free(name, taken))
                taken.add(found[-1])
            net[kind] = net[kind].assign(name=found)


def _name_spaces(net: "pandapowerNet") -> Iterator[tuple[str, ...]]:
    """Yield the kinds of elements present that share names."""
    for kinds in _NAME_SPACES:
        present = tuple(kind for kind in kinds if len(net.get(kind, ())) > 0)
        if present:
            yield present


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"
