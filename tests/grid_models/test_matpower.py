"""MATPOWER cases: admittances against PYPOWER's own, what generators become, unit statements, broken files."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from pandapower.pypower import idx_brch
from pandapower.pypower.makeYbus import makeYbus

from grid_models.admittance import admittance
from grid_models.checks import Severity, check_network
from grid_models.importers import open_network
from grid_models.matpower_case import MatpowerCase, read_matpower_case
from grid_models.networks import NetworkError, write_network
from grid_models.power_flow import PowerFlow

# Five buses on two levels; transformers down, up and with a phase shift, charging and taps on them, a parallel line.
CASE = """function mpc = five
%FIVE  a case made by hand; mpc.baseMVA = 7; in a comment counts for nothing
mpc.version = '2';
mpc.baseMVA = 100/4;
%	bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin
mpc.bus = [
	10	3	0	0	0	0	1	1	5	110	1	1.1	0.9;
	2	1	3.1	0.4	0	2	1	1	0	60/3	1	1.1	0.9;	% a comment
	3	1	-0.5	0.1	0.2	0	1	1	0	20	1	1.1	0.9
	4	1	1e-1, 0	0	0	1	1	0	20	1	1.1	0.9;
	5	1	2	1	0	0	1	1	0	110	1	1.1	0.9;
];
mpc.gen = [
	10	0	0	Inf	-Inf	1.02	100	1	10	0;
	10	1.5	0.2	10	-10	1.02	100	1	10	0;
	4	0.7	0.1	10	-10	1	100	1	10	0;
	3	9	0	10	-10	1	100	0	10	0;
];
mpc.branch = [
	10	2	0.01	0.2	0	30	0	0	1.03	0	1	-360	360;
	2	3	0.05	0.04	0.01	10	0	0	0	0	1	-360	360;
	3	2	0.06	0.04	0	0	0	0	1	0	1	-360	360;
	3	4	0.02	0.03	0	5	0	0	0	0	0	-360	360;
	2	4	0.03	0.08	0.02	5	0	0	0.97	-12.5	1	-360	360;
	4	5	0.02	0.15	0.04	8	0	0	0	30	1	-360	360;
];
mpc.bus_name = {'ten'; 'it''s 2'; 'c'; 'd'; 'e'};
mpc.gencost = [2 0 0 3 0 20 0];
"""


@pytest.fixture
def five(tmp_path: Path) -> Path:
    path = tmp_path / "five.m"
    path.write_text(CASE, encoding="utf-8")
    return path


def pypower_admittance(case: MatpowerCase) -> np.ndarray:
    """Return the nodal matrix on a base of 1 MVA by the PYPOWER code that pandapower carries."""
    position = {int(number): row for row, number in enumerate(case.bus[:, 0])}
    bus = np.zeros((len(case.bus), 13))
    bus[:, :13] = case.bus[:, :13]
    bus[:, 0] = np.arange(len(bus))
    branch = np.zeros((len(case.branch), 40))
    wanted = [idx_brch.F_BUS, idx_brch.T_BUS, idx_brch.BR_R, idx_brch.BR_X, idx_brch.BR_B, idx_brch.TAP,
              idx_brch.SHIFT, idx_brch.BR_STATUS]  # fmt: skip
    branch[:, wanted] = case.branch[:, [0, 1, 2, 3, 4, 8, 9, 10]]
    branch[:, :2] = [[position[int(end)] for end in row] for row in case.branch[:, :2]]
    branch[branch[:, idx_brch.TAP] == 0, idx_brch.TAP] = 1.0
    return np.asarray(makeYbus(case.base_mva, bus, branch)[0].todense()) * case.base_mva


def test_admittances_are_those_of_pypower(five: Path) -> None:
    case = read_matpower_case(five)
    assert case.base_mva == 25.0
    network = open_network(five)
    ours = np.asarray(admittance(network).matrix.todense())
    np.testing.assert_allclose(ours, pypower_admittance(case), rtol=1e-12, atol=1e-9)


def test_generators_become_feeding_points_or_static(five: Path) -> None:
    network = open_network(five)
    assert (network.name, network.buses.name) == ("five", ("bus 10", "bus 2", "bus 3", "bus 4", "bus 5"))
    assert network.sources.name == ("feeding point 10",)
    assert (network.sources.vm_pu[0], network.sources.va_degree[0]) == (1.02, 5.0)
    assert network.generators.name == ("generator 10", "generator 4", "generator 3")
    np.testing.assert_allclose(network.generators.p_mw, [1.5, 0.7, 0.0])
    assert network.loads.name == ("load 2", "load 3", "load 4", "load 5")
    np.testing.assert_allclose(network.loads.p_mw, [3.1, -0.5, 0.1, 2.0])
    assert network.lines.name == ("line 2-3", "line 2-3 (2)", "line 3-4")
    assert network.transformers.name == ("transformer 2-10", "transformer 2-4", "transformer 4-5")
    assert network.lines.from_closed.tolist() == [True, True, False]
    np.testing.assert_allclose(network.lines.max_i_ka, [10 / 3**0.5 / 20, np.inf, 5 / 3**0.5 / 20])
    np.testing.assert_allclose(network.transformers.rating_mva, [30.0, 5.0, 8.0])
    problems = check_network(network)
    assert [(problem.element, problem.severity) for problem in problems] == [("line 2-3 (2)", Severity.WARNING)]


def test_a_mat_file_says_the_same(five: Path, tmp_path: Path) -> None:
    case = read_matpower_case(five)
    mpc = {"version": "2", "baseMVA": case.base_mva, "bus": case.bus, "gen": case.gen, "branch": case.branch}
    scipy.io.savemat(tmp_path / "five.mat", {"mpc": mpc})
    first, second = tmp_path / "from_m.json", tmp_path / "from_mat.json"
    write_network(open_network(five), first)
    write_network(open_network(tmp_path / "five.mat"), second)
    assert first.read_bytes() == second.read_bytes()


UNITS = """mpc.baseMVA = 10;
mpc.bus = [
 1 3 0 0 0 0 1 1 0 12.66 1 1 1;
 2 1 100 60 0 0 1 1 0 12.66 1 1.1 0.9;
];
mpc.gen = [1 0 0 10 -10 1 100 1 10 0];
mpc.branch = [1 2 0.0922 0.0470 0 0 0 0 0 0 1 -360 360];
%% convert branch impedances from Ohms to p.u.
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def test_the_unit_statements_of_distribution_cases_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "units.m"
    path.write_text(UNITS, encoding="utf-8")
    network = open_network(path)
    np.testing.assert_allclose([network.lines.r_ohm[0], network.lines.x_ohm[0]], [0.0922, 0.0470])
    np.testing.assert_allclose([network.loads.p_mw[0], network.loads.q_mvar[0]], [0.1, 0.06])
    # By hand: |V|^2 of two buses solves V^4 - (1 - 2 (r p + x q)) V^2 + (r^2 + x^2)(p^2 + q^2) = 0.
    (r_pu, x_pu), (p, q) = np.array([0.0922, 0.0470]) / 12.66**2, (0.1, 0.06)
    a, b = 1 - 2 * (r_pu * p + x_pu * q), (r_pu**2 + x_pu**2) * (p**2 + q**2)
    v2 = ((a + (a**2 - 4 * b) ** 0.5) / 2) ** 0.5
    injected = np.array([[0.0, -p]]), np.array([[0.0, -q]])
    assert PowerFlow(network).solve(*injected).vm_pu[0, 1] == pytest.approx(v2, abs=1e-10)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mpc.baseMVA = 100/4;", "", "no mpc.baseMVA"),
        ("100/4", "four", "'four' is not a number"),
        ("100/4", "0", "baseMVA is 0"),
        ("100/4", "1/0", "'1/0' is not a number"),
        ("mpc.branch", "mpc.brunch", "no matrix mpc.branch"),
        ("0.01	0.2	0	30", "0.01	0.2	30", "row 2 of mpc.branch has 13 columns, the first 12"),
        ("0.01	0.2	0	30", "0.01	__import__('os')	0	30", "is not a number"),
        ("	4	0.7", "	44	0.7", "generator 3: bus 44 is not in the network"),
        ("	4	5	0.02", "	4	55	0.02", "branch 6: bus 55 is not in the network"),
        ("	5	1	2	1", "	4	1	2	1", "bus 4 stands twice"),
        ("	5	1	2	1", "	5	4	2	1", "bus 5 is isolated"),
        ("60/3", "0", "bus 2 has no base voltage"),
        ("	4	1	1e-1", "	4	2	1e-1", "generator at bus 4 holds its voltage"),
        ("	5	1	2	1", "	5	3	2	1", "bus 5 is a reference bus without a generator"),
        ("mpc.gencost", "mpc.dcline = [1 2 1];\nmpc.gencost", "mpc.dcline is not empty"),
        ("mpc.gencost", "mpc.bus(:, 3) = 2 * mpc.bus(:, 3);\nmpc.gencost", "the statement 'mpc.bus"),
        ("mpc.gencost", "mpc = scale_load(2, mpc);\nmpc.gencost", "the statement 'mpc = scale_load"),
    ],
)
def test_a_broken_case_is_one_line_that_names_file_and_fault(old: str, new: str, said: str, five: Path) -> None:
    assert old in CASE
    five.write_text(CASE.replace(old, new, 1) if old != "mpc.branch" else CASE.replace(old, new), encoding="utf-8")
    with pytest.raises(NetworkError) as caught:
        open_network(five)
    assert said in str(caught.value)
    assert str(five) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"no MAT file at all", "not a MAT file"), (b"", "not a MAT file"), (None, "No such file")]
)
def test_a_broken_mat_file_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.mat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NetworkError, match=said) as caught:
        open_network(path)
    assert "broken.mat" in str(caught.value)


def test_a_mat_file_without_a_case_is_named(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "other.mat", {"x": 1.0})
    with pytest.raises(NetworkError, match="no variable mpc"):
        open_network(tmp_path / "other.mat")
