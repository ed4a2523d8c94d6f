"""Documents that are msgspec types, in the OpenAPI description: their JSON Schema with every reference filled in."""

from typing import Any

import msgspec


def inlined_schema(document: object) -> dict[str, Any]:
    """Return the JSON Schema of a type that does not hold itself, without references."""
    (schema,), definitions = msgspec.json.schema_components([document], ref_template="{name}")

    def filled(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, dict):
            if "$ref" in node:
                return filled(definitions[node["$ref"]])
            return {name: filled(value) for name, value in node.items() if name != "discriminator"}
        return [filled(value) for value in node] if isinstance(node, list) else node

    built: dict[str, Any] = filled(schema)
    return built


def json_answer(document: object, description: str) -> dict[str, Any]:
    """Return an entry of `responses`: an answer that is such a document."""
    return {"description": description, "content": {"application/json": {"schema": inlined_schema(document)}}}
