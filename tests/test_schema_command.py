"""`microbalance schema`: every document that a command reads or prints, and none that is not there."""

import importlib
import json

import pytest

import microbalance


@pytest.mark.parametrize("name", microbalance.SCHEMAS)
def test_every_document_has_a_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert microbalance._run("schema", [name, "--json"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema.get("$ref") or schema.get("anyOf") or schema.get("type"), "a schema says what the document is"


def test_the_table_names_all_documents_of_its_modules() -> None:
    named: dict[str, set[str]] = {}
    for name, module in microbalance.SCHEMAS.items():
        named.setdefault(module, set()).add(name)
    for module, names in named.items():
        assert names == set(importlib.import_module(module).DOCUMENTS), module
