"""CGMES: a small network made by hand (110 kV source, transformer, one line, one load), and broken files."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest

from grid_models.checks import check_network
from grid_models.importers import open_network
from grid_models.networks import NetworkError
from grid_models.power_flow import PowerFlow

_CIM = "http://iec.ch/TC57/2013/CIM-schema-cim16#"
_MODEL = "http://iec.ch/TC57/61970-552/ModelDescription/1#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PROFILES = {
    "EQ": "http://entsoe.eu/CIM/EquipmentCore/3/1",
    "SSH": "http://entsoe.eu/CIM/SteadyStateHypothesis/1/1",
    "TP": "http://entsoe.eu/CIM/Topology/4/1",
}

Record = tuple[str, str, dict[str, object]]


def equipment() -> list[Record]:
    """Return the equipment: impedances in ohm and siemens, voltages in kV, limits in A."""
    records: list[Record] = [
        ("BaseVoltage", "_kv110", {"IdentifiedObject.name": "110", "BaseVoltage.nominalVoltage": 110}),
        ("BaseVoltage", "_kv20", {"IdentifiedObject.name": "20", "BaseVoltage.nominalVoltage": 20}),
        ("GeographicalRegion", "_region", {"IdentifiedObject.name": "region"}),
        (
            "SubGeographicalRegion",
            "_area",
            {"IdentifiedObject.name": "area", "SubGeographicalRegion.Region": "#_region"},
        ),
        ("Substation", "_station", {"IdentifiedObject.name": "station", "Substation.Region": "#_area"}),
        *(
            (
                "VoltageLevel",
                f"_level{kv}",
                {
                    "IdentifiedObject.name": f"level {kv}",
                    "VoltageLevel.BaseVoltage": f"#_kv{kv}",
                    "VoltageLevel.Substation": "#_station",
                },
            )
            for kv in (110, 20)
        ),
        (
            "ExternalNetworkInjection",
            "_grid",
            {
                "IdentifiedObject.name": "grid",
                "Equipment.EquipmentContainer": "#_level110",
                "RegulatingCondEq.RegulatingControl": "#_control",
            },
        ),
        (
            "RegulatingControl",
            "_control",
            {
                "IdentifiedObject.name": "control",
                "RegulatingControl.mode": f"{_CIM}RegulatingControlModeKind.voltage",
                "RegulatingControl.Terminal": "#_t_grid",
            },
        ),
        (
            "ACLineSegment",
            "_line",
            {
                "IdentifiedObject.name": "feeder",
                "Conductor.length": 5,
                "ACLineSegment.r": 2.0,
                "ACLineSegment.x": 0.6,
                "ACLineSegment.bch": 3e-4,
                "ACLineSegment.gch": 0,
                "ConductingEquipment.BaseVoltage": "#_kv20",
            },
        ),
        (
            "EnergyConsumer",
            "_load",
            {
                "IdentifiedObject.name": "village",
                "ConductingEquipment.BaseVoltage": "#_kv20",
                "Equipment.EquipmentContainer": "#_level20",
            },
        ),
        (
            "PowerTransformer",
            "_trafo",
            {"IdentifiedObject.name": "T1", "Equipment.EquipmentContainer": "#_station"},
        ),
        *_winding(1, 110, r=1.9844, x=58.04608993412045, t="_t_hv"),
        *_winding(2, 20, r=0, x=0, t="_t_lv"),
    ]
    for number, terminal, equipment_id in (
        (1, "_t_grid", "_grid"),
        (1, "_t_hv", "_trafo"),
        (2, "_t_lv", "_trafo"),
        (1, "_t_from", "_line"),
        (2, "_t_to", "_line"),
        (1, "_t_load", "_load"),
    ):
        records.append(
            (
                "Terminal",
                terminal,
                {
                    "IdentifiedObject.name": terminal,
                    "Terminal.ConductingEquipment": f"#{equipment_id}",
                    "ACDCTerminal.sequenceNumber": number,
                },
            )
        )
    return [*records, *_limits()]


def _winding(number: int, kv: int, *, r: float, x: float, t: str) -> list[Record]:
    fields = {
        "IdentifiedObject.name": f"end {number}",
        "PowerTransformerEnd.PowerTransformer": "#_trafo",
        "TransformerEnd.endNumber": number,
        "TransformerEnd.Terminal": f"#{t}",
        "PowerTransformerEnd.ratedS": 25,
        "PowerTransformerEnd.ratedU": kv,
        "PowerTransformerEnd.r": r,
        "PowerTransformerEnd.x": x,
        "PowerTransformerEnd.b": 0,
        "PowerTransformerEnd.g": 0,
        "PowerTransformerEnd.phaseAngleClock": 0,
        "TransformerEnd.BaseVoltage": f"#_kv{kv}",
    }
    return [("PowerTransformerEnd", f"_end{number}", fields)]


def _limits() -> list[Record]:
    return [
        ("OperationalLimitSet", "_set", {"OperationalLimitSet.Terminal": "#_t_from", "IdentifiedObject.name": "set"}),
        ("OperationalLimitType", "_patl", {"IdentifiedObject.name": "PATL"}),
        (
            "CurrentLimit",
            "_limit",
            {
                "IdentifiedObject.name": "limit",
                "OperationalLimit.OperationalLimitSet": "#_set",
                "OperationalLimit.OperationalLimitType": "#_patl",
                "CurrentLimit.value": 220,
            },
        ),
    ]


def steady_state() -> list[Record]:
    """Return what is injected: 110 kV held at 1.02 pu, a load of 3 MW and 1 Mvar."""
    terminals = ("_t_grid", "_t_hv", "_t_lv", "_t_from", "_t_to", "_t_load")
    return [
        *(("Terminal", terminal, {"ACDCTerminal.connected": "true"}) for terminal in terminals),
        (
            "ExternalNetworkInjection",
            "_grid",
            {
                "ExternalNetworkInjection.p": 0,
                "ExternalNetworkInjection.q": 0,
                "ExternalNetworkInjection.referencePriority": 1,
                "RegulatingCondEq.controlEnabled": "true",
            },
        ),
        (
            "RegulatingControl",
            "_control",
            {
                "RegulatingControl.discrete": "false",
                "RegulatingControl.enabled": "true",
                "RegulatingControl.targetValue": 112.2,
                "RegulatingControl.targetValueUnitMultiplier": f"{_CIM}UnitMultiplier.k",
            },
        ),
        ("EnergyConsumer", "_load", {"EnergyConsumer.p": 3, "EnergyConsumer.q": 1}),
    ]


def topology() -> list[Record]:
    """Return the nodes and what stands at them."""
    nodes = {"_n110": 110, "_n20": 20, "_end": 20}
    at = {"_t_grid": "_n110", "_t_hv": "_n110", "_t_lv": "_n20", "_t_from": "_n20", "_t_to": "_end", "_t_load": "_end"}
    return [
        *(
            (
                "TopologicalNode",
                node,
                {
                    "IdentifiedObject.name": "busbar",
                    "TopologicalNode.ConnectivityNodeContainer": f"#_level{kv}",
                    "TopologicalNode.BaseVoltage": f"#_kv{kv}",
                },
            )
            for node, kv in nodes.items()
        ),
        *(("Terminal", terminal, {"Terminal.TopologicalNode": f"#{node}"}) for terminal, node in at.items()),
    ]


def write_sample(path: Path, **changed: str) -> Path:
    """Write the three profiles into a .zip; `changed` replaces the text of a profile."""
    with zipfile.ZipFile(path, "w") as archive:
        for profile, text in sample_texts().items():
            archive.writestr(f"sample_{profile}.xml", changed.get(profile, text))
    return path


def sample_texts() -> dict[str, str]:
    """Return the XML of each profile."""
    return {
        "EQ": _text("EQ", equipment()),
        "SSH": _text("SSH", steady_state()),
        "TP": _text("TP", topology()),
    }


def _text(profile: str, records: list[Record]) -> str:
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<rdf:RDF xmlns:cim="{_CIM}" xmlns:md="{_MODEL}" xmlns:rdf="{_RDF}">',
        f'<md:FullModel rdf:about="urn:uuid:{profile}">',
        f"<md:Model.profile>{_PROFILES[profile]}</md:Model.profile>",
        "</md:FullModel>",
    ]
    for kind, identity, fields in records:
        own = profile == "EQ" or (profile == "TP" and kind == "TopologicalNode")
        lines.append(f"<cim:{kind} " + (f'rdf:ID="{identity}">' if own else f'rdf:about="#{identity}">'))
        for name, value in fields.items():
            text = str(value)
            if text.startswith(("#", "http")):
                lines.append(f"<cim:{name} rdf:resource={quoteattr(text)}/>")
            else:
                lines.append(f"<cim:{name}>{escape(text)}</cim:{name}>")
        lines.append(f"</cim:{kind}>")
    return "\n".join([*lines, "</rdf:RDF>"])


def test_a_small_network_is_read(tmp_path: Path) -> None:
    network = open_network(write_sample(tmp_path / "small.zip"))
    assert network.name == "small"
    assert network.buses.name == ("busbar", "busbar (2)", "busbar (3)"), "CIM lets names repeat"
    lines, transformers = network.lines, network.transformers
    assert (lines.name, transformers.name, network.loads.name) == (("feeder",), ("T1",), ("village",))
    np.testing.assert_allclose([lines.r_ohm[0], lines.x_ohm[0], lines.max_i_ka[0]], [2.0, 0.6, 0.22])
    assert 2e-9 * np.pi * 50 * lines.c_nf[0] == pytest.approx(3e-4)
    # 110 kV at 25 MVA is 484 ohm: 1.9844 ohm is 0.41 %, |z| is 12 %.
    np.testing.assert_allclose([transformers.vkr_percent[0], transformers.vk_percent[0]], [0.41, 12.0])
    np.testing.assert_allclose([network.sources.vm_pu[0], network.loads.p_mw[0]], [1.02, 3.0])
    assert check_network(network) == []
    injected = np.array([[0.0, 0.0, -3.0]]), np.array([[0.0, 0.0, -1.0]])
    assert 0.9 < PowerFlow(network).solve(*injected).vm_pu[0, 2] < 1.02


def test_a_folder_of_profiles_is_read(tmp_path: Path) -> None:
    for profile, text in sample_texts().items():
        (tmp_path / f"{profile}.xml").write_text(text, encoding="utf-8")
    assert open_network(tmp_path).lines.name == ("feeder",)


OTHER_VERSION = sample_texts()["TP"].replace(_CIM, "http://iec.ch/TC57/CIM100#")


@pytest.mark.parametrize(
    ("profile", "text", "said"),
    [
        ("EQ", "<rdf:RDF", "no CGMES profile"),
        ("EQ", sample_texts()["EQ"][:-20], "sample_EQ.xml is no XML"),
        ("TP", sample_texts()["TP"].replace("md:Model.profile", "md:Model.none"), "sample_TP.xml is no CGMES"),
        ("TP", OTHER_VERSION, "versions 2.4.15, 3.0"),
        ("SSH", sample_texts()["SSH"].replace("referencePriority>1<", "referencePriority>0<"), "gen 'grid'"),
        ("EQ", sample_texts()["EQ"].replace("ratedU>110<", "ratedU>zero<"), "converter failed|no number"),
    ],
)
def test_a_broken_profile_is_one_line_that_names_file_and_fault(
    profile: str, text: str, said: str, tmp_path: Path
) -> None:
    path = write_sample(tmp_path / "broken.zip", **{profile: text})
    with pytest.raises(NetworkError, match=said) as caught:
        open_network(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_zip_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK and nothing else")
    with pytest.raises(NetworkError, match=r"no\.zip: a broken zip file"):
        open_network(tmp_path / "no.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetworkError, match=r"empty: holds no \.xml file"):
        open_network(tmp_path / "empty")
    with pytest.raises(NetworkError, match=r"gone\.xml: No such file"):
        open_network(tmp_path / "gone.xml")
