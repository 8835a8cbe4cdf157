"""The description of the server's addresses, made of the operations themselves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import workbench
from workbench.server.operations import Operation, Problem
from workbench.server.routes import OPERATIONS

__all__ = ["describe"]

_WORKSPACE = {
    "name": "workspace",
    "in": "query",
    "required": False,
    "description": "Folder of the workspace, absolute or relative to the folder that the server serves; "
    "the setting WorkbenchExtension.workspace if left out, by default that folder itself.",
    "schema": {"type": "string"},
}
_ERROR = {
    "type": "object",
    "description": "What was wrong, where, and what to do.",
    "properties": {
        "message": {"type": "string"},
        "where": {"type": ["string", "null"]},
        "todo": {"type": ["string", "null"]},
        "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
    },
    "required": ["message", "where", "todo"],
    "additionalProperties": False,
}
_REFUSALS = {
    "400": "What was sent is wrong; nothing was done.",
    "403": "Not signed in, not allowed, or outside of what the server serves.",
    "404": "There is nothing of that name.",
    "409": "The job's state forbids it.",
    "500": "The workspace or MLflow cannot be used.",
    "503": "The process that runs trials, or the one that works with MLflow, cannot be started or has ended.",
}


def describe(base_url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description.

    Args:
        base_url: of the server, with slashes at both ends.
    """
    schemas: dict[str, Any] = {"Error": _ERROR}
    _schema(Problem, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"/api/{operation.path}", {})[operation.method.lower()] = _operation(operation, schemas)
    paths["/api/openapi.json"] = {"get": _itself()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workbench",
            "version": workbench.__version__,
            "description": "Jobs, sweeps, trials and models of a workspace. What changes comes over the WebSocket "
            "`changes`; a live view of one job over the WebSocket `view`.",
        },
        "servers": [{"url": f"{base_url}workbench"}],
        "security": [{"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "token <token>"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "username",
                    "description": "As a browser has it after signing in; what changes something also needs the header "
                    "X-XSRFToken.",
                },
            },
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    said = inspect.getdoc(operation.answer) or ""
    described: dict[str, Any] = {
        "operationId": _identifier(operation),
        "summary": said.split("\n")[0],
        "parameters": [*_in_path(operation), *_in_query(operation, schemas), _WORKSPACE],
        "responses": {
            **{str(status): _answer(operation, schemas) for status in (operation.status, *operation.others)},
            **_refusals(),
        },
    }
    if operation.response is None:
        described["responses"]["206"] = {**_file(), "description": "The bytes that were asked for with Range"}
        described["responses"]["416"] = {"description": "There are no such bytes yet; Content-Range says how many"}
    if operation.body is not None:
        reference = _schema(operation.body, schemas)
        required = bool(schemas[operation.body.__name__].get("required"))
        described["requestBody"] = {"required": required, "content": {"application/json": {"schema": reference}}}
    return described


def _identifier(operation: Operation) -> str:
    words = [word for word in operation.path.replace("{", "").replace("}", "").replace("-", "/").split("/") if word]
    return "".join([operation.method.lower(), *(word[0].upper() + word[1:] for word in words)])


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.names]


def _in_query(operation: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = _schema_of(operation.query, schemas)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": one}
        for name, one in schema["properties"].items()
    ]


def _answer(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if operation.response is None:
        return {**_file(), "description": "The file"}
    return {
        "description": (inspect.getdoc(operation.response) or "").split("\n")[0],
        "content": {"application/json": {"schema": _schema(operation.response, schemas)}},
    }


def _file() -> dict[str, Any]:
    return {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


def _refusals() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": said, "content": content} for status, said in _REFUSALS.items()}


def _itself() -> dict[str, Any]:
    return {
        "operationId": "getOpenapi",
        "summary": "This description.",
        "responses": {
            "200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
            "403": _refusals()["403"],
        },
    }


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _schema_of(kind, schemas)
    name = kind.__name__
    schemas[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}


def _schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; those that it refers to are added to ``schemas``."""
    from pydantic import TypeAdapter  # noqa: PLC0415

    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    for name, inner in schema.pop("$defs", {}).items():
        schemas[name] = _closed(inner)
    return _closed(schema)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that allows nothing beyond what it names."""
    if isinstance(schema.get("properties"), Mapping):
        schema.setdefault("additionalProperties", False)
    return schema
