"""Keys to the API: shown once, kept as hashes, never without an operator."""

import json
import stat
from hashlib import sha256

import pytest

from hub.api.access_keys import AccessKeysError, issue_key, revoke_key
from hub.api.callers import read_access_keys
from hub.api.context import Caller
from hub.market.registry.access import Role


def issue(path, name, role=Role.OPERATOR, participant_id=None):
    return issue_key(path, name=name, role=role, participant_id=participant_id)


def test_an_issued_key_is_known_by_its_hash_and_written_nowhere(tmp_path):
    path = tmp_path / "api-keys.json"
    first, second = issue(path, "desk"), issue(path, "roof", Role.SELLER, "P00001")
    assert first != second
    callers = read_access_keys(path)
    assert callers[sha256(first.encode()).hexdigest()] == Caller("desk", Role.OPERATOR)
    assert callers[sha256(second.encode()).hexdigest()] == Caller("roof", Role.SELLER, "P00001")
    assert first not in path.read_text()
    assert second not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "role", "participant_id", "what"),
    [
        ("desk", Role.OPERATOR, None, "has a key already"),
        ("roof", Role.SELLER, None, "say which"),
        ("boss", Role.OPERATOR, "P00001", "acts for no participant"),
        ("", Role.OPERATOR, None, "length"),
        ("x" * 81, Role.OPERATOR, None, "length"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_and_the_file_stays(tmp_path, name, role, participant_id, what):
    path = tmp_path / "api-keys.json"
    issue(path, "desk")
    before = path.read_bytes()
    with pytest.raises(AccessKeysError, match=what):
        issue(path, name, role, participant_id)
    assert path.read_bytes() == before


def test_the_first_key_is_an_operators(tmp_path):
    with pytest.raises(AccessKeysError, match="operator's key first"):
        issue(tmp_path / "api-keys.json", "roof", Role.SELLER, "P00001")
    assert not (tmp_path / "api-keys.json").exists()


def test_a_revoked_key_opens_nothing_and_one_operator_stays(tmp_path):
    path = tmp_path / "api-keys.json"
    first, second = issue(path, "desk"), issue(path, "night desk")
    revoke_key(path, "desk")
    assert list(read_access_keys(path)) == [sha256(second.encode()).hexdigest()]
    assert sha256(first.encode()).hexdigest() not in path.read_text()
    with pytest.raises(AccessKeysError, match="last operator"):
        revoke_key(path, "night desk")
    with pytest.raises(AccessKeysError, match="nobody called desk"):
        revoke_key(path, "desk")
    assert len(json.loads(path.read_text())) == 1
