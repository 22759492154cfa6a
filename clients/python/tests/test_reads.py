"""What is read from a real server."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from pathlib import Path

import httpx
import pandas as pd
import pytest
from conftest import Served

from imax_results import AsyncClient, BadRequest, Client, NotFound


def test_pages_are_followed_to_the_last_row(client: Client) -> None:
    points = client.points(fields="id", page_size=7)
    pages = list(points.pages())
    assert len(pages) > 2
    assert {len(page) for page in pages[:-1]} == {7}
    ids = [point["id"] for page in pages for point in page]
    assert len(ids) == len(set(ids)) == len(client.points(fields="id").to_list())
    assert [run["id"] for run in client.runs(page_size=1)] == [run["id"] for run in client.runs()]


def test_dimensions_become_filters(client: Client) -> None:
    facets = {(row["dimension"], row["value"]): row["points"] for row in client.facets()}
    concs = [value for dimension, value in facets if dimension == "conc"]
    for conc in concs:
        assert len(client.points(conc=int(conc)).to_list()) == facets["conc", conc]
    first, second = concs[:2]
    both = client.points(conc=[first, second]).to_list()
    assert len(both) == facets["conc", first] + facets["conc", second]
    assert client.points(model="no such model").to_list() == []
    assert client.points(model="no such model").first() is None


def test_data_frame_has_the_numbers_of_the_rows(client: Client) -> None:
    rows = client.points(sort="id").to_list()
    frame = client.points(sort="id").to_pandas()
    assert list(frame["id"]) == [row["id"] for row in rows]
    assert list(frame["tput_per_gpu"]) == [row["tput_per_gpu"] for row in rows]
    assert isinstance(frame["started"].dtype, pd.DatetimeTZDtype)
    curves = client.curves().to_pandas()
    assert len(curves) == sum(len(curve["points"]) for curve in client.curves())
    series = client.series(metric="throughput-per-gpu").to_pandas()
    assert len(series) == len(rows)
    assert {"point", "value", "low", "high"} <= set(series.columns)


def test_every_read_is_answered(client: Client) -> None:
    lists = [
        *("annotations", "changes", "curves", "evals", "facets", "frontier", "hardware"),
        *("mlperf", "points", "prices", "projects", "quarantine", "reliability", "runs"),
    ]
    for name in lists:
        rows = getattr(client, name)()
        assert all(isinstance(row, dict) for row in rows), name
        assert rows.to_pandas() is not None
    cheapest = client.cheapest(slo="interactivity:median>1", tokens="output").to_list()
    assert [row["usd_per_million"] for row in cheapest] == sorted(row["usd_per_million"] for row in cheapest)


def test_documents_are_mappings_with_rows(client: Client) -> None:
    oldest, newest = client.runs().to_list()[-1], client.runs().first()
    assert newest is not None
    compared = client.compare(base=f"run:{oldest['id']}", head=f"run:{newest['id']}")
    assert set(compared["counts"]) >= {"better", "worse", "same"}
    frame = compared.to_pandas()
    assert len(frame) == len(compared.rows()) > 0
    assert {"point", "metric", "base", "head", "verdict"} <= set(frame.columns)
    assert client.run(newest["id"])["run"] == newest
    point = client.points().first()
    assert point is not None
    assert point["source"] is not None
    assert client.file(point["source"])


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_files_are_whole_and_leave_nothing_else(client: Client, tmp_path: Path) -> None:
    points = client.points(page_size=3)
    expected = len(points.to_list())
    for name, read in [("points.csv", pd.read_csv), ("points.parquet", pd.read_parquet)]:
        points.save(tmp_path / name)
        assert len(read(tmp_path / name)) == expected  # type: ignore[operator]
    points.save(tmp_path / "points.ndjson")
    assert [json.loads(line)["id"] for line in lines(tmp_path / "points.ndjson")] == [point["id"] for point in points]
    runs = client.runs(page_size=1)
    runs.save(tmp_path / "runs.ndjson")
    assert len(lines(tmp_path / "runs.ndjson")) == len(runs.to_list())
    before = (tmp_path / "points.csv").read_bytes()
    with pytest.raises(BadRequest):
        client.points(fields="nonsense").save(tmp_path / "points.csv")
    with pytest.raises(ValueError, match=r"\.csv, \.ndjson, \.parquet"):
        points.save(tmp_path / "points.xlsx")
    assert (tmp_path / "points.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["points.csv", "points.ndjson", "points.parquet", "runs.ndjson"]


def test_times_have_a_zone(client: Client) -> None:
    epoch = datetime(2000, 1, 1, tzinfo=timezone.utc)
    assert client.runs(until=epoch).to_list() == []
    assert len(client.runs(since=epoch).to_list()) == len(client.runs().to_list())
    with pytest.raises(ValueError, match="no time zone"):
        client.runs(since=datetime(2000, 1, 1))


def test_errors_have_the_words_of_the_server(client: Client) -> None:
    with pytest.raises(NotFound, match="there is no run 4711") as found:
        client.run(4711)
    assert found.value.status == 404
    assert found.value.request_id
    with pytest.raises(BadRequest, match="unknown parameter `modle`"):
        client.points(modle="dsr1").to_list()  # type: ignore[call-arg]
    with pytest.raises(BadRequest, match="64 hex digits"):
        client.file("../runs")


async def read_by_event_loop(url: str) -> tuple[list[object], object, int]:
    async with AsyncClient(url) as client:
        ids: list[object] = [point["id"] async for point in client.points(page_size=7)]
        run = await client.runs().first()
        assert run is not None
        document = await client.run(run["id"])
        return ids, document["run"], len(await client.curves().to_pandas())


def test_event_loop_sees_the_same(served: Served, client: Client) -> None:
    ids = [point["id"] for point in client.points()]
    found = asyncio.run(read_by_event_loop(served.url))
    assert found == (ids, client.runs().first(), len(client.curves().to_pandas()))


def test_every_json_route_of_the_server_has_a_method(served: Served) -> None:
    paths = httpx.get(f"{served.url}/api/openapi.json").json()["paths"]
    operations = [
        operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
        if path.startswith("/api/v1/") and method in ("get", "post") and "application/json" in json.dumps(operation["responses"])
    ]
    assert len(operations) > 20
    assert [name for name in operations if not (hasattr(Client, name) and hasattr(AsyncClient, name))] == []
