"""Bytes <-> messages: one table drives both directions; every other payload is refused by ContractError alone."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import codec, control, driver
from edge.contract import messages as m

READING = m.Reading("M000001", 900, {m.IMPORT: 5, m.EXPORT: 7})
ORDER = m.Order("M000001", 3, 1, m.Side.SELL, 120, 250_000, 900)
UP_CASES = [
    (
        "iv",
        m.ReadingsMessage("b-1", 42, (READING,)),
        b'{"boot":"b-1","seq":42,"r":[["M000001",900,{"1-0:1.8.0":5,"1-0:2.8.0":7},"A"]],"v":1}',
    ),
    (
        "ord",
        m.OrdersMessage("b-1", 43, (ORDER,)),
        b'{"boot":"b-1","seq":43,"o":[["M000001",3,1,"S",120,250000,900]],"v":1}',
    ),
    (
        "rsp",
        m.ResponseMessage("b-1", 44, 3, "s-1", (m.Acknowledgement("M000001", "ok"),)),
        b'{"boot":"b-1","seq":44,"interval":3,"setpoints_id":"s-1","a":[["M000001","ok"]],"v":1}',
    ),
    ("st", m.StatusMessage("online", "b-1"), b'{"state":"online","boot":"b-1","v":1}'),
]
DOWN_CASES = [
    (
        "rcpt",
        m.ReceiptMessage("b-1", 42, (m.Rejection(41, "M000001", 900, "late"),)),
        b'{"boot":"b-1","upto":42,"rej":[[41,"M000001",900,"late"]],"v":1}',
    ),
    (
        "set",
        m.SetpointsMessage("s-1", 3, (m.Setpoint("M000001", 700),)),
        b'{"setpoints_id":"s-1","interval":3,"s":[["M000001",700]],"v":1}',
    ),
    (
        "trd",
        m.TradesMessage(3, (m.Fill("M000001", 1, 100, 250_000),)),
        b'{"interval":3,"f":[["M000001",1,100,250000]],"v":1}',
    ),
]
BROADCAST_CASES = [
    (
        "price",
        m.PriceMessage(3, 300_000, {"A001": 250_000}),
        b'{"interval":3,"indicative_uyuan_per_kwh":300000,"units":{"A001":250000},"v":1}',
    ),
    (
        "session",
        m.SessionMessage(4, 0, 1_500_000, 1_000, 10),
        (
            b'{"open_from_interval":4,"price_floor_uyuan_per_kwh":0,"price_cap_uyuan_per_kwh":1500000,'
            b'"price_tick_uyuan_per_kwh":1000,"lot_wh":10,"v":1}'
        ),
    ),
]
DECODERS = [(codec.decode_up, UP_CASES), (codec.decode_down, DOWN_CASES), (codec.decode_broadcast, BROADCAST_CASES)]
CASES = [(decode, *case) for decode, cases in DECODERS for case in cases]


@pytest.mark.parametrize(("decode", "kind", "message", "payload"), CASES)
def test_a_message_is_these_bytes_and_these_bytes_are_the_message(decode, kind, message, payload):
    assert codec.encode(message) == payload
    assert decode(kind, payload) == message


@pytest.mark.parametrize(("decode", "kind", "message", "payload"), CASES)
def test_a_payload_cut_short_anywhere_is_refused(decode, kind, message, payload):
    assert message
    for length in range(len(payload)):
        with pytest.raises(m.ContractError):
            decode(kind, payload[:length])


@pytest.mark.parametrize(("decode", "kind", "message", "payload"), CASES)
def test_another_version_and_another_kind_are_refused(decode, kind, message, payload):
    assert message
    with pytest.raises(m.ContractError, match="version 2"):
        decode(kind, payload.replace(b'"v":1', b'"v":2'))
    with pytest.raises(m.ContractError, match="no message kind"):
        decode("tel", payload)


IV = b'{"boot":"b-1","seq":1,"r":[["M1",900,{%s}]]}'
MALFORMED_UP = [
    ("iv", b"", "malformed|truncated|data"),
    ("iv", b"null", "object"),
    ("iv", b"[]", "object"),
    ("iv", b"{}", "boot"),
    ("iv", b"\xff\xfe", "malformed|codec"),
    ("iv", b'{"boot":"b-1","seq":"1","r":[]}', "int"),
    ("iv", b'{"boot":"b-1","seq":1.0,"r":[]}', "int"),
    ("iv", b'{"boot":"b-1","seq":true,"r":[]}', "int"),
    ("iv", b'{"boot":"b-1","seq":1e400,"r":[]}', "range|int"),
    ("iv", b'{"boot":"b-1","seq":1,"r":[["M1",900]]}', "length"),
    ("iv", b'{"boot":"b-1","seq":1,"r":{"M1":900}}', "array"),
    ("iv", IV % b'"9-9:9.9.9":1', "channel"),
    ("iv", IV % b'"1-0:1.8.0":-1', "outside"),
    ("iv", IV % b'"1-0:1.8.0":9223372036854775808', "outside"),
    ("iv", IV % b'"1-0:1.8.0":1.5', "int"),
    ("iv", IV % b'"1-0:1.8.0":null', "int"),
    ("iv", b'{"boot":"b-1","seq":1,"r":[["M1",900,{},"X"]]}', "enum|X"),
    ("iv", b'{"boot":"b-1","seq":1,"r":[["M/1",900,{}]]}', "character"),
    ("iv", b'{"boot":"b-1","seq":1,"r":[["",900,{}]]}', "character"),
    ("iv", b'{"boot":"\xff","seq":1,"r":[]}', "codec|malformed"),
    ("iv", b'{"x":' + b"[" * 100_000, "recursion"),
    ("iv", b'{"boot":"' + b"b" * m.MESSAGE_BYTES_MAX + b'","seq":1,"r":[]}', "bytes"),
    ("ord", b'{"boot":"b-1","seq":1,"o":[["M1",3,1,"T",120,250000,900]]}', "enum|T"),
    ("ord", b'{"boot":"b-1","seq":1,"o":[["M1",3,1,"S",120,0.25,900]]}', "int"),
    ("ord", b'{"boot":"b-1","seq":1,"o":[["M1",3,1,"S",120]]}', "length"),
    ("ord", b'{"boot":"b-1","seq":1,"o":[["M 1",3,1,"S",120,250000,900]]}', "character"),
    ("ord", b'{"boot":"b-1","seq":1,"o":[["M1",3,1,"S",18446744073709551615,250000,900]]}', "64 bits"),
    ("rsp", b'{"boot":"b-1","seq":1,"interval":3,"a":[]}', "setpoints_id"),
    ("st", b'{"state":1,"boot":"b-1"}', "str"),
]


@pytest.mark.parametrize(("kind", "payload", "says"), MALFORMED_UP, ids=range(len(MALFORMED_UP)))
def test_malformed_payloads_are_refused_with_what_is_wrong(kind, payload, says):
    with pytest.raises(m.ContractError, match=f"(?i){says}"):
        codec.decode_up(kind, payload)


@given(st.sampled_from(["iv", "ord", "rsp", "st"]), st.binary(max_size=60))
def test_no_bytes_raise_anything_else(kind, payload):
    with contextlib.suppress(m.ContractError):
        codec.decode_up(kind, payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["M1", m.IMPORT, "v"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(UP_CASES), st.data())
def test_no_wrong_value_in_a_good_message_raises_anything_else(case, data):
    kind, _message, payload = case
    document = msgspec.json.decode(payload)
    field = data.draw(st.sampled_from(sorted(document)))
    document[field] = data.draw(json_values)
    with contextlib.suppress(m.ContractError):
        codec.decode_up(kind, msgspec.json.encode(document))


names = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
registers = st.dictionaries(st.sampled_from(m.CHANNELS), st.integers(0, 2**63 - 1))
readings = st.builds(m.Reading, names, st.integers(0, 2**40), registers, st.sampled_from(m.Quality))
orders = st.builds(
    m.Order,
    meter=names,
    interval=st.integers(0, 2**30),
    number=st.integers(0, 9),
    side=st.sampled_from(m.Side),
    energy_wh=st.integers(-(2**62), 2**62),
    price_uyuan_per_kwh=st.integers(-(2**62), 2**62),
    submitted_utc_s=st.integers(0, 2**40),
)


@given(
    st.one_of(
        st.tuples(
            st.just("iv"),
            st.builds(m.ReadingsMessage, names, st.integers(1, 2**53), st.lists(readings, max_size=4).map(tuple)),
        ),
        st.tuples(
            st.just("ord"),
            st.builds(m.OrdersMessage, names, st.integers(1, 2**53), st.lists(orders, max_size=4).map(tuple)),
        ),
    )
)
def test_what_is_encoded_is_decoded_to_the_same(case):
    kind, message = case
    assert codec.decode_up(kind, codec.encode(message)) == message


LINES = [
    (control.encode_line, control.decode_from_conductor, control.Advance(900)),
    (control.encode_line, control.decode_from_conductor, control.Ask("summary")),
    (control.encode_line, control.decode_from_conductor, control.Stop()),
    (control.encode_line, control.decode_from_process, control.Hello("edge", "edge-1", 7)),
    (control.encode_line, control.decode_from_process, control.Progress(900, 3, {"broker": 8})),
    (control.encode_line, control.decode_from_process, control.Quiet(900, {"published_readings": 5}, {"read": 0.25})),
    (control.encode_line, control.decode_from_process, control.Failed("no devices")),
    (driver.encode_line, driver.decode_request, driver.ReadRegisters("G0001", 900)),
    (driver.encode_line, driver.decode_request, driver.LimitExport("G0001", 3, (m.Setpoint("M1", 5),))),
    (driver.encode_line, driver.decode_answer, driver.Registers((READING,))),
    (driver.encode_line, driver.decode_answer, driver.Limited((m.Acknowledgement("M1", "ok"),))),
    (driver.encode_line, driver.decode_answer, driver.Refused("not there yet\nsecond line")),
]


@pytest.mark.parametrize(("encode", "decode", "message"), LINES)
def test_lines_go_there_and_back_and_are_one_line(encode, decode, message):
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize("decode", sorted({decode for _, decode, _ in LINES}, key=lambda decode: decode.__qualname__))
@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"type":"nobody"}\n', b"\xff\n", b'{"x":' + b"[" * 100_000])
def test_what_is_no_line_is_refused(decode, line):
    with pytest.raises(m.ContractError):
        decode(line)
