"""Pictures of `microbalance grid`, SVG or PNG by the file's ending; matplotlib is imported when one is drawn."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from grid_models.bus_places import bus_places
from grid_models.connectivity import connected_lines, connected_transformers
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.grid_documents import HostingDocument, PlacementDocument, RegionDocument
from grid_models.hosting import BindingKind
from grid_models.hosting_placement import PERCENTILES, Placement
from grid_models.networks import Network
from grid_models.year_flow import HOURS_PER_ROW, YearFlow

ENDINGS: Final = (".svg", ".png")
_JUMP_KM: Final = 1e-9  # couplers and transformers have no length, but a graph's edge needs one
_LEVEL_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_KIND_COLOURS: Final = {
    BindingKind.VOLTAGE_HIGH.value: "#D55E00",
    BindingKind.VOLTAGE_LOW.value: "#0072B2",
    BindingKind.CURRENT.value: "#009E73",
    BindingKind.NO_SOLUTION.value: "#CC79A7",
    BindingKind.NOT_CERTIFIED.value: "#999999",
    BindingKind.NO_LIMIT.value: "#CCCCCC",
}
_STATE_STYLES: Final = ("solid", "dashed", "dotted")
_SUBTLE: Final = "#666666"


class PlotError(ValueError):
    """A picture cannot be drawn: its ending is not known, or matplotlib is not installed."""


def refuse_plot(path: Path) -> None:
    """Refuse before the work what cannot be drawn after it.

    :raises PlotError: in words
    """
    if path.suffix.lower() not in ENDINGS:
        raise PlotError(f"{path}: a picture ends in {' or '.join(ENDINGS)}")
    if not path.parent.is_dir():
        raise PlotError(f"{path}: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotError("a picture needs the package matplotlib, which is not installed")


def distance_km(network: Network) -> FloatArray:
    """Return the length of line from each bus to the nearest feeding point over closed switches; infinite if none."""
    lines, transformers, couplers = network.lines, network.transformers, network.couplers
    closed, joined = connected_lines(network), connected_transformers(network)
    from_bus = np.concatenate([lines.from_bus[closed], transformers.hv_bus[joined], couplers.from_bus])
    to_bus = np.concatenate([lines.to_bus[closed], transformers.lv_bus[joined], couplers.to_bus])
    length_km = np.full(from_bus.size, _JUMP_KM)
    length_km[: closed.sum()] = np.maximum(lines.length_km[closed], _JUMP_KM)
    # Of parallel ways only the shortest is kept: a sparse matrix would add them up.
    key = np.minimum(from_bus, to_bus) * len(network.buses) + np.maximum(from_bus, to_bus)
    order = np.lexsort((length_km, key))
    first = order[np.unique(key[order], return_index=True)[1]]
    n_buses = len(network.buses)
    graph = coo_array((length_km[first], (from_bus[first], to_bus[first])), shape=(n_buses, n_buses)).tocsr()
    found = dijkstra(graph, directed=False, indices=network.sources.bus, min_only=True)
    return np.asarray(found, dtype=np.float64)


def plot_voltage_profile(path: Path, network: Network, vm_pu: FloatArray) -> None:
    """Draw the voltage of every bus against its distance from the feeding point, feeders as lines, with the bands.

    :param vm_pu: shape (n_buses,)
    """
    figure, axes = _figure(1)
    _voltages(axes[0], network, [vm_pu])
    axes[0].set_title(f"{network.name}: voltage profile, nominal state", loc="left")
    _save(figure, path)


def plot_period(path: Path, network: Network, found: YearFlow, names: Sequence[str]) -> None:
    """Draw the lowest and highest voltages over the period, and the duration curve of the loading beside them.

    :param names: of the branches; the most loaded ones are drawn too where the run kept percentiles
    """
    figure, (left, right) = _figure(2)
    _voltages(left, network, [found.v_min_pu, found.v_max_pu])
    left.set_title(f"{network.name}: lowest and highest voltages", loc="left")
    _durations(right, found, names)
    _save(figure, path)


def plot_hosting(path: Path, network: Network, document: HostingDocument) -> None:
    """Draw the capacity of every bus against its distance, coloured by what binds; a map too if the file has places."""
    buses = [network.bus_position[row.bus] for row in document.buses]
    capacity_mw = np.array([np.nan if row.capacity_mw is None else row.capacity_mw for row in document.buses])
    kinds = np.array([row.kind for row in document.buses])
    place = bus_places(network)[buses]
    on_map = np.isfinite(place).all(axis=1)
    figure, axes = _figure(2 if on_map.any() else 1)
    drawn = np.isfinite(capacity_mw)
    _capacities(axes[-1], distance_km(network)[buses], capacity_mw, kinds)
    title = f"{network.name}: hosting capacity"
    axes[-1].set_title("against distance" if on_map.any() else title, loc="left")
    if on_map.any():
        _map(axes[0], network, place, capacity_mw, kinds, drawn & on_map)
        axes[0].set_title(f"{title}, area of a dot by MW", loc="left")
    if not drawn.all():
        axes[-1].annotate(
            f"{int((~drawn).sum())} buses without a limit are not drawn",
            (0.99, 0.01),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            color=_SUBTLE,
        )
    _save(figure, path)


def plot_placement(
    path: Path, network: Network, found: Placement, document: PlacementDocument, shown: Int64Array | None
) -> None:
    """Draw the voltages along the feeder over the draws, and how many draws take how much and what stops them.

    :param shown: positions of the buses to draw, default: all
    """
    figure, (left, right) = _figure(2)
    names = [f"P{percent}" for percent in PERCENTILES]
    _voltages(left, network, list(found.vm_pu), names=names, shown=shown)
    left.set_title(f"{network.name}: voltages with the plants that fit", loc="left")
    order = np.argsort(found.total_mw, kind="stable")
    total_mw, kinds = found.total_mw[order], np.array([kind.value for kind in found.kind])[order]
    percent = 100 * np.arange(1, order.size + 1) / order.size
    right.step(total_mw, percent, where="post", color="#BBBBBB", linewidth=1, zorder=1)
    for kind, colour in _KIND_COLOURS.items():
        chosen = kinds == kind
        if chosen.any():
            right.plot(total_mw[chosen], percent[chosen], "o", color=colour, markersize=_dot(chosen), label=kind)
    for quantile in document.quantiles:
        right.axvline(quantile.mw, color=_SUBTLE, linestyle="dashed", linewidth=1)
        right.annotate(
            f"P{quantile.percent} {quantile.mw:.3g} MW ",
            (quantile.mw, 60 if quantile.percent < 50 else 2),  # beside the curve
            rotation=90,
            ha="right",
            va="bottom",
            color=_SUBTLE,
        )
    right.set_ylim(0, 102)
    right.set_xlabel("new plants that fit, all together (MW)")
    right.set_ylabel("draws (%) that take so much or less")
    right.set_title(f"{len(document.draws):,} draws, seed {document.seed}", loc="left")
    right.legend(title="what stopped the draw", fontsize=9, loc="center right", framealpha=1, edgecolor="none")
    _save(figure, path)


def plot_region(path: Path, document: RegionDocument) -> None:
    """Draw how much two buses take together, the boundary coloured by what binds there."""
    figure, (axes,) = _figure(1)
    points = [point for point in document.points if point.first_mw is not None and point.second_mw is not None]
    boundary = np.array([(point.first_mw, point.second_mw) for point in points]).reshape(-1, 2)
    kinds = np.array([point.kind for point in points])
    if points:
        corners = np.concatenate([boundary, [[0.0, 0.0]]])
        axes.fill(*corners.T, color="#F2F7F2", zorder=0)
        axes.plot(*boundary.T, color="#BBBBBB", linewidth=1, zorder=1)
    for kind, colour in _KIND_COLOURS.items():
        chosen = kinds == kind
        if chosen.any():
            axes.plot(*boundary[chosen].T, "o", color=colour, label=kind, zorder=2, clip_on=False)
    before = None
    for point, place in zip(points, boundary, strict=True):
        if point.element != before:
            axes.annotate(f" {point.element}", place, color=_SUBTLE, va="bottom")
        before = point.element
    axes.set_xlim(0, 1.15 * max(boundary[:, 0].max(initial=0.0), 1e-9))
    axes.set_ylim(0, 1.15 * max(boundary[:, 1].max(initial=0.0), 1e-9))
    axes.set_xlabel(f"new plant at {document.first} (MW)")
    axes.set_ylabel(f"new plant at {document.second} (MW)")
    axes.set_title(f"{document.network}: what two buses take together", loc="left")
    if points:
        axes.legend(frameon=False, title="binding limit", fontsize=9)
    _save(figure, path)


def _figure(n_axes: int) -> tuple[Any, list[Any]]:
    figure = importlib.import_module("matplotlib.figure").Figure(figsize=(7.5 * n_axes, 5), layout="constrained")
    importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, n_axes, squeeze=False)[0])
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="#E5E5E5", linewidth=0.6)
        one.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401
    """Write the picture; the same figures give the same bytes."""
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with importlib.import_module("matplotlib").rc_context({"svg.hashsalt": "microbalance", "svg.fonttype": "none"}):
        figure.savefig(path, format=kind, dpi=150, metadata=metadata)


def _voltages(
    axes: Any,  # noqa: ANN401
    network: Network,
    states: Sequence[FloatArray],
    *,
    names: Sequence[str] = ("lowest", "highest"),
    shown: Int64Array | None = None,
) -> None:
    """Draw each state's voltages by level, lines of the network as lines; several states in one colour.

    :param names: of the states, where there are several
    :param shown: positions of the buses to draw, default: all
    """
    collections = importlib.import_module("matplotlib.collections")
    at_km, buses = distance_km(network), network.buses
    to_nominal = buses.vn_kv * 1e3 / buses.v_nominal_v
    drawn = ~buses.star_point
    if shown is not None:
        drawn &= np.isin(np.arange(len(buses)), shown)
    levels = sorted(set(buses.v_nominal_v[drawn].tolist()), reverse=True)
    for number, level_v in enumerate(levels):
        colour = _LEVEL_COLOURS[number % len(_LEVEL_COLOURS)]
        at_level = (buses.v_nominal_v == level_v) & drawn
        sections = connected_lines(network) & at_level[network.lines.from_bus] & at_level[network.lines.to_bus]
        from_bus, to_bus = network.lines.from_bus[sections], network.lines.to_bus[sections]
        for state, vm_pu in enumerate(states):
            v = vm_pu * to_nominal
            ends = np.stack([at_km[from_bus], v[from_bus], at_km[to_bus], v[to_bus]], axis=1).reshape(-1, 2, 2)
            style = _STATE_STYLES[state % len(_STATE_STYLES)]
            axes.add_collection(collections.LineCollection(ends, colors=colour, linewidths=0.8, linestyles=style))
            label = f"{level_v / 1e3:g} kV" if state == 0 else None
            axes.plot(at_km[at_level], v[at_level], ".", color=colour, markersize=_dot(at_level), label=label)
    _bands(axes, network, levels)
    axes.set_xlabel("distance from the feeding point (km of line)")
    axes.set_ylabel("voltage (per unit of nominal)")
    axes.margins(x=0.02)
    title = ", ".join(f"{style}: {name}" for style, name in zip(_STATE_STYLES, names, strict=False))
    axes.legend(frameon=False, title=title if len(states) > 1 else None, fontsize=9)


def _bands(axes: Any, network: Network, levels: Sequence[float]) -> None:  # noqa: ANN401
    """Draw each band of permitted voltages once, named by the levels it is for."""
    buses = network.buses
    bands: dict[tuple[float, float], list[str]] = {}
    for level_v in levels:
        bus = int(np.flatnonzero((buses.v_nominal_v == level_v) & ~buses.star_point)[0])
        band = (round(buses.v_min_v[bus] / level_v, 6), round(buses.v_max_v[bus] / level_v, 6))
        bands.setdefault(band, []).append(f"{level_v / 1e3:g} kV")
    for number, ((low, high), names) in enumerate(bands.items()):
        style = ("dashed", "dotted", "dashdot")[number % 3]
        for limit in {low, high}:
            axes.axhline(limit, color=_SUBTLE, linewidth=1, linestyle=style)
        text = f"{low:g} to {high:g}" + (f" ({', '.join(names)})" if len(bands) > 1 else "")
        axes.annotate(
            f"permitted {text}", (1, low), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=_SUBTLE
        )
    if len(bands) == 1:
        ((low, high),) = bands
        axes.axhspan(low, high, color="#F2F7F2", zorder=0)


def _durations(axes: Any, found: YearFlow, names: Sequence[str]) -> None:  # noqa: ANN401
    loading = np.sort(found.row_loading_max[np.isfinite(found.row_loading_max)])[::-1]
    hours = np.arange(1, loading.size + 1) * HOURS_PER_ROW
    axes.step(hours, 100 * loading, where="pre", color="black", linewidth=1.5, label="highest of all elements")
    if found.loading_histogram is not None:
        for number, branch in enumerate(np.argsort(-found.loading_max, kind="stable")[: len(_LEVEL_COLOURS)]):
            share = np.linspace(100, 0, 201)[1:-1]
            curve = [100 * found.loading_percentile(percent)[branch] for percent in share]
            axes.plot(
                (100 - share) / 100 * hours[-1], curve, color=_LEVEL_COLOURS[number], linewidth=1, label=names[branch]
            )
    axes.axhline(100, color=_SUBTLE, linestyle="dashed", linewidth=1)
    axes.annotate("rating", (1, 100), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=_SUBTLE)
    axes.set_xlim(0, hours[-1] if hours.size else 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("duration (hours at or above)")
    axes.set_ylabel("loading (% of rating)")
    axes.set_title("loading duration", loc="left")
    axes.legend(frameon=False, fontsize=9)


def _capacities(axes: Any, at_km: FloatArray, capacity_mw: FloatArray, kinds: Any) -> None:  # noqa: ANN401
    for kind, colour in _KIND_COLOURS.items():
        chosen = (kinds == kind) & np.isfinite(capacity_mw)
        if chosen.any():
            axes.plot(
                at_km[chosen],
                capacity_mw[chosen],
                "o",
                color=colour,
                markersize=_dot(chosen) + 1,
                alpha=0.8,
                label=kind,
            )
    axes.set_xlabel("distance from the feeding point (km of line)")
    axes.set_ylabel("hosting capacity (MW)")
    positive = capacity_mw[np.isfinite(capacity_mw) & (capacity_mw > 0)]
    if positive.size and positive.max() > 50 * positive.min():
        axes.set_yscale("log")
    elif positive.size:
        axes.set_ylim(0, 1.3 * positive.max())  # room for the legend
    if np.isfinite(capacity_mw).any():
        axes.legend(frameon=False, title="binding limit", fontsize=9)


def _map(  # noqa: PLR0917
    axes: Any,  # noqa: ANN401
    network: Network,
    place: FloatArray,
    capacity_mw: FloatArray,
    kinds: Any,  # noqa: ANN401
    drawn: BoolArray,
) -> None:
    collections = importlib.import_module("matplotlib.collections")
    everywhere = bus_places(network)
    ends = np.stack([everywhere[network.lines.from_bus], everywhere[network.lines.to_bus]], axis=1)
    shown = connected_lines(network) & np.isfinite(ends).all(axis=(1, 2))
    axes.add_collection(collections.LineCollection(ends[shown], colors="#BBBBBB", linewidths=0.8, zorder=1))
    largest_mw = float(capacity_mw[drawn].max(initial=0.0)) or 1.0
    for kind, colour in _KIND_COLOURS.items():
        chosen = drawn & (kinds == kind)
        if chosen.any():
            area = 8 + 160 * np.maximum(capacity_mw[chosen], 0) / largest_mw
            axes.scatter(*place[chosen].T, s=area, color=colour, alpha=0.8, linewidths=0, label=kind, zorder=2)
    x, y = place[drawn].T
    geographic = bool(x.size) and np.abs(x).max() <= 180 and np.abs(y).max() <= 90
    axes.set_xlabel("longitude (degrees)" if geographic else "x (as in the file)")
    axes.set_ylabel("latitude (degrees)" if geographic else "y (as in the file)")
    axes.set_aspect(1 / np.cos(np.radians(y.mean())) if geographic else "equal", adjustable="datalim")
    axes.ticklabel_format(useOffset=False)
    axes.tick_params(axis="x", labelrotation=30)


def _dot(chosen: BoolArray | Int64Array) -> float:
    return float(np.clip(60 / np.sqrt(max(int(chosen.sum()), 1)), 2, 6))
