"""Made by generate.py from dist/openapi.json; do not edit.

A method for each route of the results API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._typing import Unpack
from .documents import AsyncDocument, Document
from .models import (
    AnnotationBody,
    AuditQuery,
    ChangesQuery,
    CheapestQuery,
    CompareQuery,
    Curve,
    CurvesQuery,
    EvalsQuery,
    FacetsQuery,
    FrontierQuery,
    MlperfQuery,
    Point,
    PointsQuery,
    ProjectsQuery,
    ReliabilityQuery,
    RetractBody,
    Row,
    RunQuery,
    RunsQuery,
    SeriesQuery,
)
from .request import segment
from .rows import AsyncRows, Rows


class Routes:
    """The routes."""

    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> Rows[Any]:
        raise NotImplementedError

    def _document(self, path: str, query: Mapping[str, object]) -> Document:
        raise NotImplementedError

    def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        raise NotImplementedError

    def annotations(self) -> Rows[Row]:
        """What people know about runs, points and periods."""
        return self._rows("/api/v1/annotations", {})

    def annotate(self, **body: Unpack[AnnotationBody]) -> Row:
        """Note what is known of a run, points or a period."""
        return self._write("/api/v1/annotations", body)

    def withdraw(self, id: int) -> Row:
        """Withdraw an annotation."""
        return self._write(f"/api/v1/annotations/{segment(id)}/withdraw", None)

    def audit(self, **query: Unpack[AuditQuery]) -> Rows[Row]:
        """The log of writes, the newest first.

        For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/audit", query)

    def changes(self, **query: Unpack[ChangesQuery]) -> Rows[Row]:
        """Change points of a branch.

        The change of the level happened after `after_run` and at the latest with `run`; the method is that
        of the kept levels. Without `branch`, it is `main`. Annotations of the point within three days
        stand beside it.
        """
        return self._rows("/api/v1/changes", query)

    def cheapest(self, **query: Unpack[CheapestQuery]) -> Rows[Row]:
        """The cheapest configurations that meet objectives.

        From the newest curves of a branch (`main` without one). The interval of a cost is that of the
        throughput that it is computed from. Hardware without a price has no cost and is not listed, see
        `/prices`.
        """
        return self._rows("/api/v1/cheapest", query)

    def compare(self, **query: Unpack[CompareQuery]) -> Document:
        """Two sets of points side by side.

        Points are paired by their whole keys; what one side lacks is listed in `unpaired` with the reason.
        Verdicts are those of `imax compare`.
        """
        return self._document("/api/v1/compare", query)

    def curves(self, **query: Unpack[CurvesQuery]) -> Rows[Curve]:
        """The newest curves of a branch.

        A curve is drawn from one run, the newest of the branch that measured it. Without `branch`, it is
        `main`.
        """
        return self._rows("/api/v1/curves", query, nested="points", page_size=1000)

    def evals(self, **query: Unpack[EvalsQuery]) -> Rows[Row]:
        """Scores of evaluations, the newest first."""
        return self._rows("/api/v1/evals", query)

    def facets(self, **query: Unpack[FacetsQuery]) -> Rows[Row]:
        """Values of the dimensions.

        `points` is the number of points that a filter for the value would select beside the filters of
        other dimensions; 0 for a value that the others leave none of.
        """
        return self._rows("/api/v1/facets", query)

    def file(self, digest: str) -> Document:
        """A file that rows were read from.

        Points name it as their `source`. The history keeps its name, size and digest, not its content.
        """
        return self._document(f"/api/v1/files/{segment(digest)}", {})

    def frontier(self, **query: Unpack[FrontierQuery]) -> Rows[Row]:
        """Pareto frontiers of throughput per GPU and interactivity.

        From the newest curves of a branch (`main` without one). `readings` tell the throughput at an
        interactivity: `measured`, `between` two measured points on the straight line between them,
        `unreachable` above the largest, `below-measured` below the least, the last two with null.
        """
        return self._rows("/api/v1/frontier", query, nested="points")

    def hardware(self) -> Rows[Row]:
        """Hardware with its power."""
        return self._rows("/api/v1/hardware", {})

    def mlperf(self, **query: Unpack[MlperfQuery]) -> Rows[Row]:
        """Results of MLPerf.

        As their sources have them. Numbers for an accelerator are not official results of MLCommons, and
        are therefore not here.
        """
        return self._rows("/api/v1/mlperf", query)

    def points(self, **query: Unpack[PointsQuery]) -> Rows[Point]:
        """Points of all runs, measured or failed.

        One object for each point that a run measured or failed to measure. A number that was not reported
        is null, never 0. `source` and `digest` tell where it comes from, see `/files/{digest}`.
        """
        return self._rows("/api/v1/points", query, page_size=1000)

    def prices(self) -> Rows[Row]:
        """Prices of hardware."""
        return self._rows("/api/v1/prices", {})

    def projects(self, **query: Unpack[ProjectsQuery]) -> Rows[Row]:
        """Projects with their runs."""
        return self._rows("/api/v1/projects", query)

    def quarantine(self) -> Rows[Row]:
        """Rows that were not understood, with the reasons."""
        return self._rows("/api/v1/quarantine", {})

    def reliability(self, **query: Unpack[ReliabilityQuery]) -> Rows[Row]:
        """Points by hardware, engine and outcome."""
        return self._rows("/api/v1/reliability", query)

    def runs(self, **query: Unpack[RunsQuery]) -> Rows[Row]:
        """Runs, the newest first."""
        return self._rows("/api/v1/runs", query, page_size=1000)

    def run(self, run: int, **query: Unpack[RunQuery]) -> Document:
        """A run with its files, contradictions and failures.

        The history keeps points and scores, not plans and job records: `problems` has the contradictions
        between plan and results, `failures` the points without numbers, `files` the digests of what was
        read. Other formats than JSON have the failures.
        """
        return self._document(f"/api/v1/runs/{segment(run)}", query)

    def restore(self, run: int) -> Row:
        """Include a retracted run again."""
        return self._write(f"/api/v1/runs/{segment(run)}/restore", None)

    def retract(self, run: int, **body: Unpack[RetractBody]) -> Row:
        """Exclude a run from comparisons.

        It is not deleted, and `as_of` an earlier time still has it.
        """
        return self._write(f"/api/v1/runs/{segment(run)}/retract", body)

    def series(self, **query: Unpack[SeriesQuery]) -> Rows[Row]:
        """A metric of points over the runs that measured them.

        One series for each point. The value is the mean, or the median for a series in which some run has
        no mean. With `branch`, the levels between change points are those that the history keeps of the
        present.
        """
        return self._rows("/api/v1/series", query, nested="values")


class AsyncRoutes:
    """The routes, for programs with an event loop."""

    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> AsyncRows[Any]:
        raise NotImplementedError

    async def _document(self, path: str, query: Mapping[str, object]) -> AsyncDocument:
        raise NotImplementedError

    async def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        raise NotImplementedError

    def annotations(self) -> AsyncRows[Row]:
        """What people know about runs, points and periods."""
        return self._rows("/api/v1/annotations", {})

    async def annotate(self, **body: Unpack[AnnotationBody]) -> Row:
        """Note what is known of a run, points or a period."""
        return await self._write("/api/v1/annotations", body)

    async def withdraw(self, id: int) -> Row:
        """Withdraw an annotation."""
        return await self._write(f"/api/v1/annotations/{segment(id)}/withdraw", None)

    def audit(self, **query: Unpack[AuditQuery]) -> AsyncRows[Row]:
        """The log of writes, the newest first.

        For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/audit", query)

    def changes(self, **query: Unpack[ChangesQuery]) -> AsyncRows[Row]:
        """Change points of a branch.

        The change of the level happened after `after_run` and at the latest with `run`; the method is that
        of the kept levels. Without `branch`, it is `main`. Annotations of the point within three days
        stand beside it.
        """
        return self._rows("/api/v1/changes", query)

    def cheapest(self, **query: Unpack[CheapestQuery]) -> AsyncRows[Row]:
        """The cheapest configurations that meet objectives.

        From the newest curves of a branch (`main` without one). The interval of a cost is that of the
        throughput that it is computed from. Hardware without a price has no cost and is not listed, see
        `/prices`.
        """
        return self._rows("/api/v1/cheapest", query)

    async def compare(self, **query: Unpack[CompareQuery]) -> AsyncDocument:
        """Two sets of points side by side.

        Points are paired by their whole keys; what one side lacks is listed in `unpaired` with the reason.
        Verdicts are those of `imax compare`.
        """
        return await self._document("/api/v1/compare", query)

    def curves(self, **query: Unpack[CurvesQuery]) -> AsyncRows[Curve]:
        """The newest curves of a branch.

        A curve is drawn from one run, the newest of the branch that measured it. Without `branch`, it is
        `main`.
        """
        return self._rows("/api/v1/curves", query, nested="points", page_size=1000)

    def evals(self, **query: Unpack[EvalsQuery]) -> AsyncRows[Row]:
        """Scores of evaluations, the newest first."""
        return self._rows("/api/v1/evals", query)

    def facets(self, **query: Unpack[FacetsQuery]) -> AsyncRows[Row]:
        """Values of the dimensions.

        `points` is the number of points that a filter for the value would select beside the filters of
        other dimensions; 0 for a value that the others leave none of.
        """
        return self._rows("/api/v1/facets", query)

    async def file(self, digest: str) -> AsyncDocument:
        """A file that rows were read from.

        Points name it as their `source`. The history keeps its name, size and digest, not its content.
        """
        return await self._document(f"/api/v1/files/{segment(digest)}", {})

    def frontier(self, **query: Unpack[FrontierQuery]) -> AsyncRows[Row]:
        """Pareto frontiers of throughput per GPU and interactivity.

        From the newest curves of a branch (`main` without one). `readings` tell the throughput at an
        interactivity: `measured`, `between` two measured points on the straight line between them,
        `unreachable` above the largest, `below-measured` below the least, the last two with null.
        """
        return self._rows("/api/v1/frontier", query, nested="points")

    def hardware(self) -> AsyncRows[Row]:
        """Hardware with its power."""
        return self._rows("/api/v1/hardware", {})

    def mlperf(self, **query: Unpack[MlperfQuery]) -> AsyncRows[Row]:
        """Results of MLPerf.

        As their sources have them. Numbers for an accelerator are not official results of MLCommons, and
        are therefore not here.
        """
        return self._rows("/api/v1/mlperf", query)

    def points(self, **query: Unpack[PointsQuery]) -> AsyncRows[Point]:
        """Points of all runs, measured or failed.

        One object for each point that a run measured or failed to measure. A number that was not reported
        is null, never 0. `source` and `digest` tell where it comes from, see `/files/{digest}`.
        """
        return self._rows("/api/v1/points", query, page_size=1000)

    def prices(self) -> AsyncRows[Row]:
        """Prices of hardware."""
        return self._rows("/api/v1/prices", {})

    def projects(self, **query: Unpack[ProjectsQuery]) -> AsyncRows[Row]:
        """Projects with their runs."""
        return self._rows("/api/v1/projects", query)

    def quarantine(self) -> AsyncRows[Row]:
        """Rows that were not understood, with the reasons."""
        return self._rows("/api/v1/quarantine", {})

    def reliability(self, **query: Unpack[ReliabilityQuery]) -> AsyncRows[Row]:
        """Points by hardware, engine and outcome."""
        return self._rows("/api/v1/reliability", query)

    def runs(self, **query: Unpack[RunsQuery]) -> AsyncRows[Row]:
        """Runs, the newest first."""
        return self._rows("/api/v1/runs", query, page_size=1000)

    async def run(self, run: int, **query: Unpack[RunQuery]) -> AsyncDocument:
        """A run with its files, contradictions and failures.

        The history keeps points and scores, not plans and job records: `problems` has the contradictions
        between plan and results, `failures` the points without numbers, `files` the digests of what was
        read. Other formats than JSON have the failures.
        """
        return await self._document(f"/api/v1/runs/{segment(run)}", query)

    async def restore(self, run: int) -> Row:
        """Include a retracted run again."""
        return await self._write(f"/api/v1/runs/{segment(run)}/restore", None)

    async def retract(self, run: int, **body: Unpack[RetractBody]) -> Row:
        """Exclude a run from comparisons.

        It is not deleted, and `as_of` an earlier time still has it.
        """
        return await self._write(f"/api/v1/runs/{segment(run)}/retract", body)

    def series(self, **query: Unpack[SeriesQuery]) -> AsyncRows[Row]:
        """A metric of points over the runs that measured them.

        One series for each point. The value is the mean, or the median for a series in which some run has
        no mean. With `branch`, the levels between change points are those that the history keeps of the
        present.
        """
        return self._rows("/api/v1/series", query, nested="values")
