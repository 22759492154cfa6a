#!/usr/bin/env python3
"""Makes `models.py` and `routes.py` of the package from the description of the API, `dist/openapi.json`.

    python clients/python/generate.py            writes both files
    python clients/python/generate.py --check    fails where they are not what it would write

It needs nothing but Python. Routes of pictures and probes are left out, and those whose methods are written by hand.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DESCRIPTION = HERE.parent.parent / "dist" / "openapi.json"
PACKAGE = HERE / "src" / "imax_results"
WIDTH = 110

Schema = dict[str, Any]

# Written by hand in client.py: their bodies are documents of another schema or archives, and a header names the request.
BY_HAND = {"ingest", "submit"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files that are there")
    arguments = parser.parse_args()
    api = Api(json.loads(DESCRIPTION.read_text(encoding="utf-8")))
    stale = []
    for name, text in (("models.py", models(api)), ("routes.py", routes(api))):
        path = PACKAGE / name
        if arguments.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: not made from dist/openapi.json; run clients/python/generate.py", file=sys.stderr)
    return 1 if stale else 0


class Route:
    """An operation of the description."""

    def __init__(self, path: str, method: str, operation: Schema) -> None:
        self.path = path
        self.method = method
        self.name: str = operation["operationId"]
        self.summary: str = str(operation.get("summary", self.name)).strip().rstrip(".")
        self.text: str = str(operation.get("description", "")).strip()
        parameters = operation.get("parameters", [])
        self.in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
        self.query = [parameter for parameter in parameters if parameter["in"] == "query"]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        self.body: str | None = body["$ref"].rsplit("/", 1)[-1] if "$ref" in body else None
        successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        contents = [answer.get("content", {}) for answer in successes]
        self.answer: Schema | None = next((c["application/json"]["schema"] for c in contents if "application/json" in c), None)

    @property
    def is_list(self) -> bool:
        return self.method == "get" and "data" in (self.answer or {}).get("properties", {})

    @property
    def page_size(self) -> int | None:
        """The usual page of a list that comes in pages: large, as few requests are faster, and one answer stays small."""
        schemas = {parameter["name"]: parameter["schema"] for parameter in self.query}
        return int(schemas["limit"].get("maximum", 1000)) if "cursor" in schemas else None

    @property
    def item(self) -> Schema:
        answer: Schema = self.answer or {}
        items: Schema = answer["properties"]["data"]["items"]
        return items

    @property
    def query_type(self) -> str:
        return camel(self.name) + "Query"

    @property
    def item_type(self) -> str:
        return {"points": "Point", "curves": "Curve"}.get(self.name, "Row")


class Api:
    """The routes that the client has, in the order of their paths."""

    def __init__(self, document: Schema) -> None:
        found = [
            Route(path, method, operation)
            for path, item in document["paths"].items()
            if path.startswith("/api/v1/")
            for method, operation in item.items()
            if method in ("get", "post")
        ]
        self.described = [route for route in found if is_covered(route)]
        self.routes = [route for route in self.described if route.name not in BY_HAND]
        self.bodies: dict[str, Schema] = document["components"]["schemas"]

    def route(self, name: str) -> Route:
        return next(route for route in self.routes if route.name == name)


def is_covered(route: Route) -> bool:
    """Documents in JSON, and writes with a body of the description or none."""
    return route.answer is not None


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))


def python_name(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name.replace("-", "_")


def python_type(schema: Schema, *, sent: bool = False) -> str:
    """The annotation of a schema. What is sent may be a more convenient type than what arrives."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "enum" in schema:
        return "Literal[" + ", ".join(json.dumps(value) for value in schema["enum"]) + "]"
    kinds = schema.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    names = [plain_type(kind, schema, sent=sent) for kind in kinds]
    return " | ".join(sorted(names, key=lambda name: name == "None"))


def plain_type(kind: str, schema: Schema, *, sent: bool) -> str:
    if kind == "string":
        return "str | datetime" if sent and schema.get("format") == "date-time" else "str"
    if kind == "array":
        items = python_type(schema.get("items", {}), sent=sent)
        return f"{items} | Sequence[{items}]" if sent else f"list[{items}]"
    return {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}.get(kind, "dict[str, Any]")


HEAD = '''"""Made by generate.py from dist/openapi.json; do not edit.

{summary}
"""

from __future__ import annotations
'''


def models(api: Api) -> str:
    parts = [HEAD.format(summary="Columns of what is answered, parameters of queries, bodies of writes.")]
    parts.append(
        "\nfrom collections.abc import Sequence\nfrom datetime import datetime\nfrom typing import Any, Literal, TypeAlias, TypedDict\n\n"
        "from ._typing import Required\n\n"
        "# A row of a route that describes no columns.\nRow: TypeAlias = dict[str, Any]\n"
    )
    parts.append(typed_dict("Point", api.route("points").item["properties"], "A point; `fields` may leave columns out."))
    parts.append(typed_dict("Curve", curve(api), "A curve of one run with its points."))
    parts.append(DIMENSIONS)
    used = {route.body for route in api.routes if route.body}
    for name in sorted(used):
        schema = api.bodies[name]
        parts.append(typed_dict(name, schema["properties"], schema.get("description", ""), required=schema.get("required", []), sent=True))
    for route in api.described:
        if route.query:
            parts.append(query(route))
    return joined(parts)


def joined(parts: list[str]) -> str:
    """Definitions with two blank lines between them; the imports belong to the head."""
    head, imports, *definitions = (part.strip("\n") + "\n" for part in parts)
    return "\n\n".join([f"{head}\n{imports}", *definitions])


def curve(api: Api) -> Schema:
    described: Schema = dict(api.route("curves").item["properties"])
    points = described.pop("points")
    assert points["items"] == api.route("points").item, "the points of a curve are not those of /points"
    # The columns that all points of a curve share stand beside them.
    shared = {name: schema for name, schema in api.route("points").item["properties"].items() if name in SHARED}
    return {**shared, **described, "points": {"type": "array", "items": {"$ref": "#/Point"}}}


SHARED = {"curve", "project", "run", "branch", "commit", "started", "model_prefix", "model", "precision", "hardware", "framework"} | {
    "spec_decoding", "disagg", "scenario", "isl", "osl", "layout", "variant", "gpus",
}  # fmt: skip

# Routes whose rows have rows in them, which are the rows of a data frame.
NESTED = {"curves": "points", "frontier": "points", "series": "values"}

DIMENSIONS = '''
class Dimensions(TypedDict, total=False):
    """Dimensions of points, sent as `filter`: a glob such as `h200*`, or several that are alternatives."""

    model: str | Sequence[str]
    hardware: str | Sequence[str]
    framework: str | Sequence[str]
    precision: str | Sequence[str]
    sequence: str | Sequence[str]
    layout: str | Sequence[str]
    conc: int | str | Sequence[int] | Sequence[str]
'''


def typed_dict(name: str, properties: Schema, text: str, *, required: list[str] | None = None, sent: bool = False, base: str = "TypedDict") -> str:
    if not all(python_name(key).isidentifier() for key in properties):
        return functional(name, properties, text)
    lines = [f"class {name}({base}, total=False):", *docstring(text, 4), ""]
    for key, schema in properties.items():
        annotation = python_type(schema, sent=sent)
        if key in (required or []):
            annotation = f"Required[{annotation}]"
        lines += field(python_name(key), annotation)
    return "\n".join(lines)


def functional(name: str, properties: Schema, text: str) -> str:
    """The form for keys that are no identifiers, such as `p99.9_ttft`."""
    lines = [f"{name} = TypedDict(", f'    "{name}",', "    {"]
    lines += [f"        {json.dumps(key)}: {python_type(schema)}," for key, schema in properties.items()]
    return "\n".join([f"# {text}", *lines, "    },", "    total=False,", ")"])


def field(name: str, annotation: str) -> list[str]:
    line = f"    {name}: {annotation}"
    literal = re.fullmatch(r"Literal\[(.*)\]( \| None)?", annotation)
    if len(line) <= WIDTH or literal is None:
        return [line]
    values = literal[1].split(", ")
    return [f"    {name}: Literal[", *(f"        {value}," for value in values), f"    ]{literal[2] or ''}"]


def query(route: Route) -> str:
    has_filter = any(parameter["name"] == "filter" for parameter in route.query)
    properties = {parameter["name"]: parameter["schema"] for parameter in route.query}
    required = [parameter["name"] for parameter in route.query if parameter.get("required")]
    text = f"Parameters of {route.path}."
    # The client follows the pages itself, so `limit` would bound nothing but a request.
    if route.page_size is not None:
        del properties["cursor"]
        properties["page_size"] = properties.pop("limit")
    base = "Dimensions" if has_filter else "TypedDict"
    return typed_dict(route.query_type, properties, text, required=required, sent=True, base=base)


def docstring(text: str, indent: int) -> list[str]:
    space = " " * indent
    # The description's lines are broken for its own source.
    paragraphs = [wrapped(" ".join(paragraph.split()), WIDTH - indent - 3) for paragraph in text.split("\n\n")]
    lines = [line for number, paragraph in enumerate(paragraphs) for line in ([""] if number else []) + paragraph]
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    if len(lines) == 1:
        return [f'{space}"""{lines[0]}"""']
    return [f'{space}"""{lines[0]}', *(f"{space}{line}".rstrip() for line in lines[1:]), f'{space}"""']


def wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def routes(api: Api) -> str:
    types = sorted({"Row", "Point", "Curve"} | {r.query_type for r in api.routes if r.query} | {r.body for r in api.routes if r.body})
    parts = [HEAD.format(summary="A method for each route of the results API.")]
    parts.append(
        "\nfrom collections.abc import Mapping\nfrom typing import Any\n\n"
        "from ._typing import Unpack\nfrom .documents import AsyncDocument, Document\n"
        "from .models import (\n" + "".join(f"    {name},\n" for name in types) + ")\n"
        "from .request import segment\nfrom .rows import AsyncRows, Rows\n"
    )
    parts.append(methods(api, is_async=False))
    parts.append(methods(api, is_async=True))
    return joined(parts)


SEAMS = """    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> {prefix}Rows[Any]:
        raise NotImplementedError

    {async_}def _document(self, path: str, query: Mapping[str, object]) -> {prefix}Document:
        raise NotImplementedError

    {async_}def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        raise NotImplementedError
"""


def methods(api: Api, *, is_async: bool) -> str:
    prefix = "Async" if is_async else ""
    text = "The routes, for programs with an event loop." if is_async else "The routes."
    parts = [f'class {prefix}Routes:\n    """{text}"""\n']
    parts.append(SEAMS.format(prefix=prefix, async_="async " if is_async else ""))
    parts += [method(route, is_async=is_async) for route in api.routes]
    return "\n".join(parts)


def method(route: Route, *, is_async: bool) -> str:
    prefix = "Async" if is_async else ""
    arguments = ["self"]
    for parameter in route.in_path:
        arguments.append(f"{python_name(parameter['name'])}: {python_type(parameter['schema'], sent=True)}")
    keywords = "{}"
    if route.method == "get" and route.query:
        arguments.append(f"**query: Unpack[{route.query_type}]")
        keywords = "query"
    elif route.method == "post":
        keywords = "None"
        if route.body:
            arguments.append(f"**body: Unpack[{route.body}]")
            keywords = "body"
    path = json.dumps(route.path)
    for parameter in route.in_path:
        path = "f" + path.removeprefix("f").replace("{" + parameter["name"] + "}", "{segment(" + python_name(parameter["name"]) + ")}")
    if route.is_list:
        nested = NESTED.get(route.name)
        more = f', nested="{nested}"' if nested else ""
        more += f", page_size={route.page_size}" if route.page_size is not None else ""
        head, answer, call = "def", f"{prefix}Rows[{route.item_type}]", f"self._rows({path}, {keywords}{more})"
    elif route.method == "get":
        head, answer, call = "def", f"{prefix}Document", f"self._document({path}, {keywords})"
    else:
        head, answer, call = "def", "Row", f"self._write({path}, {keywords})"
    if is_async and not route.is_list:
        head, call = "async def", f"await {call}"
    text = f"{route.summary}.\n\n{route.text}" if route.text else f"{route.summary}."
    return "\n".join(
        [f"    {head} {python_name(route.name)}({', '.join(arguments)}) -> {answer}:", *docstring(text, 8), f"        return {call}", ""]
    )


if __name__ == "__main__":
    sys.exit(main())
