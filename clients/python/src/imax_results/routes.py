"""Made by generate.py from dist/openapi.json; do not edit.

A method for each route of the results API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._typing import Unpack
from .documents import AsyncDocument, Document
from .models import (
    AcceptBody,
    AccuracyQuery,
    AnnotatedQuery,
    AnnotationBody,
    AnnotationsQuery,
    ArchitecturesQuery,
    AuditQuery,
    BisectionQuery,
    ChangelogQuery,
    ChangesQuery,
    CheapestQuery,
    CompareQuery,
    CostsQuery,
    Curve,
    CurvesQuery,
    DeliveriesQuery,
    DeploymentsQuery,
    DerivedQuery,
    EvalsQuery,
    FacetsQuery,
    FrontierQuery,
    MlperfQuery,
    OperationsQuery,
    Point,
    PointsQuery,
    ProjectsQuery,
    QuarantineQuery,
    RecordsQuery,
    RefuseBody,
    RegressionsQuery,
    ReliabilityQuery,
    RetractBody,
    Row,
    RunQuery,
    RunsQuery,
    SeriesQuery,
    SubmissionsQuery,
    TrendsQuery,
    VersionsQuery,
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

    def accuracy(self, **query: Unpack[AccuracyQuery]) -> Rows[Row]:
        """Points beside the accuracy of their configurations.

        Of the newest curves of a branch (`main` without one). `place` is `on` the frontier of throughput
        per GPU and interactivity of those points whose accuracy holds, `struck` (it would be on it, and
        its accuracy fell) or `behind`. `scores` are the newest of the configuration; each is judged
        against the score of the same model and task, of any configuration, with the highest lower bound.
        It fell where a z-test says so with 99 %. A configuration without scores has none, and is not
        struck.
        """
        return self._rows("/api/v1/accuracy", query)

    def annotated(self, **query: Unpack[AnnotatedQuery]) -> Rows[Row]:
        """Annotations of the points that a chart of newest curves shows.

        Of the newest curves of a branch (`main` without one), or with `run` of that run: each annotation
        that is about some of their points, with those points.
        """
        return self._rows("/api/v1/annotated", query)

    def annotations(self, **query: Unpack[AnnotationsQuery]) -> Rows[Row]:
        """What people know about runs, points and periods."""
        return self._rows("/api/v1/annotations", query)

    def annotate(self, **body: Unpack[AnnotationBody]) -> Row:
        """Note what is known of a run, points or a period."""
        return self._write("/api/v1/annotations", body)

    def withdraw(self, id: int) -> Row:
        """Withdraw an annotation."""
        return self._write(f"/api/v1/annotations/{segment(id)}/withdraw", None)

    def architectures(self, **query: Unpack[ArchitecturesQuery]) -> Rows[Row]:
        """llm-d beside engines on their own.

        Deployments with one replica, for equal model, hardware, precision and lengths: every deployment
        behind a router or with prefill and decode apart (`head`) against every other one (`base`),
        throughput per GPU, at common concurrencies, as `/versions` compares.
        """
        return self._rows("/api/v1/architectures", query)

    def audit(self, **query: Unpack[AuditQuery]) -> Rows[Row]:
        """The log of writes, the newest first.

        For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/audit", query)

    def bisection(self, **query: Unpack[BisectionQuery]) -> Document:
        """What lies between the last good and the first bad run of a thread.

        `between` has the branch's runs of other points, `tried` the runs of branches that begin with
        `bisect-` and the thread's name; each has the newest 200, and `is_cut` tells whether there are
        more. `comment` is the `/sweep` comment that measures the points of the thread alone, `commands`
        make a pull request of the middle commit, which Git chooses if runs were tried or left out.
        """
        return self._document("/api/v1/bisection", query)

    def changelog(self, **query: Unpack[ChangelogQuery]) -> Rows[Row]:
        """Entries of the changelog that were measured.

        Newest first, each with the run that measured it, the pull request, and the curves that it made the
        run measure.
        """
        return self._rows("/api/v1/changelog", query)

    def changes(self, **query: Unpack[ChangesQuery]) -> Rows[Row]:
        """Change points of a branch.

        The change of the level happened after `after_run` and at the latest with `run`; the method is that
        of the kept levels. With `as_of`, levels are computed from what held then. Without `branch`, it is
        `main`. `low` and `high` are the 95 % interval of `relative`. Annotations of the point between the
        two runs and within three days stand beside it, with where the two runs come from.
        """
        return self._rows("/api/v1/changes", query)

    def cheapest(self, **query: Unpack[CheapestQuery]) -> Rows[Row]:
        """The cheapest configurations that meet objectives.

        From the newest curves of a branch (`main` without one). The interval of a cost is that of the
        throughput that it is computed from. Hardware without a price has no cost and is not listed, see
        `/prices`. `limited_by` is the objective with the least `headroom`, `next` the next load of the
        curve where it is cheaper and misses objectives. `fleet` is made of whole deployments that are paid
        for a month of 730 hours; `break_even.utilisation` is the share of a deployment's capacity from
        which on it is cheaper than the API. Power has hosts and facility, `joules_per_million` the GPUs
        alone, at the measured power or the design power (`power_source`).
        """
        return self._rows("/api/v1/cheapest", query)

    def compare(self, **query: Unpack[CompareQuery]) -> Document:
        """Two sets of points side by side.

        Points are paired by their whole keys; what one side lacks is listed in `unpaired` with the reason.
        Verdicts are those of `imax compare`. `summary` has the largest gain and loss, who won by model and
        hardware family, and what moved in sentences; `configuration` has the pairs by what differs in
        their settings, with the geometric mean of each metric's change.
        """
        return self._document("/api/v1/compare", query)

    def costs(self, **query: Unpack[CostsQuery]) -> Rows[Row]:
        """Costs over time.

        Of each run of a branch (`main` without one) and each model, hardware, engine, precision and
        workload the point that costs least among those that meet the objectives: at the price that counts
        today, and at the newest price of the same provider and kind that was known on the day of the
        measurement (null where the list of prices begins later).
        """
        return self._rows("/api/v1/costs", query)

    def curves(self, **query: Unpack[CurvesQuery]) -> Rows[Curve]:
        """The newest curves of a branch.

        A curve is drawn from one run, the newest of the branch that measured it. Without `branch`, it is
        `main`.
        """
        return self._rows("/api/v1/curves", query, nested="points", page_size=1000)

    def deliveries(self, **query: Unpack[DeliveriesQuery]) -> Rows[Row]:
        """Messages of saved queries, the newest first.

        Those that wait, with the time of the next attempt, and those that were delivered or given up, with
        the last answer of their receiver. For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/deliveries", query)

    def deployments(self, **query: Unpack[DeploymentsQuery]) -> Rows[Row]:
        """Measured points as deployments.

        Of each curve and version the points of the newest run, of all branches unless one is named.
        Columns of `/points`, and what the deployment is made of: version, TP, pods of prefill and decode
        with their GPUs, replicas, router, error rate, arguments of the engine. `input_tput_per_gpu` is per
        GPU that processes prompts, `output_tput_per_gpu` per GPU that generates.
        """
        return self._rows("/api/v1/deployments", query)

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

        Points name it as their `source`. `content` is the path of its content where the history is a
        folder, a branch or object storage, else null: databases keep name, size and digest alone.
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

    def data_sets(self) -> Rows[Row]:
        """Lengths of the requests in MLPerf's data sets.

        Tokens of inputs and outputs: mean, percentiles and a histogram. `bins[i]` counts lengths from `i *
        bin_width` on; the last bin has all longer ones.
        """
        return self._rows("/api/v1/mlperf-datasets", {})

    def derived(self, **query: Unpack[DerivedQuery]) -> Rows[Row]:
        """Numbers derived from results of MLPerf †.

        By accelerator, node and 8 accelerators; Server and Interactive against Offline of the same
        submission; against the best of the round before. None of them is an official result of MLCommons.
        A measurement that was submitted at 99 % and at 99.9 % is here once.
        """
        return self._rows("/api/v1/mlperf-derived", query)

    def operations(self, **query: Unpack[OperationsQuery]) -> Document:
        """How the machines that measure are doing.

        From the job records that runs keep: queue times, GPU hours, failure classes and retries by day, by
        machine and by run, and the newest failed jobs with the pages of their workflow runs. `outcomes`
        has the points by day and outcome, which histories without job records have as well. A machine is
        silent if others of its hardware had jobs since: the history does not ask the platform which
        runners are online.
        """
        return self._document("/api/v1/operations", query)

    def points(self, **query: Unpack[PointsQuery]) -> Rows[Point]:
        """Points of all runs, measured or failed.

        One object for each point that a run measured or failed to measure. A number that was not reported
        is null, never 0. `source` and `digest` tell where it comes from, see `/files/{digest}`.
        """
        return self._rows("/api/v1/points", query, page_size=1000)

    def point(self, id: int) -> Document:
        """A point and where its numbers come from.

        The `id` of a point is a column of `/points`. Beside all columns: the revisions with who stored
        them when from which file, what is known of these files, the jobs that were to measure it, the
        verdicts that were given, and how the values of its requests were distributed. Other formats than
        JSON have the revisions.
        """
        return self._document(f"/api/v1/points/{segment(id)}", {})

    def prices(self) -> Rows[Row]:
        """Prices of hardware."""
        return self._rows("/api/v1/prices", {})

    def projects(self, **query: Unpack[ProjectsQuery]) -> Rows[Row]:
        """Projects with their runs."""
        return self._rows("/api/v1/projects", query)

    def quarantine(self, **query: Unpack[QuarantineQuery]) -> Rows[Row]:
        """Rows that were not understood, with the reasons."""
        return self._rows("/api/v1/quarantine", query)

    def records(self, **query: Unpack[RecordsQuery]) -> Document:
        """What a run keeps of a point beside its numbers.

        Distributions as quantiles (within 1 %) and bars, the load and the engine's own metrics over time
        in at most 600 slices each, the jobs that measured it with their phases and an excerpt of the
        engine's log (16 KiB at most), the verdicts that were given, its configuration by name,
        annotations, and where its run comes from. Absent parts were not kept: whole logs and samples of
        GPUs stay in the artifacts of the run.
        """
        return self._document("/api/v1/records", query)

    def regressions(self, **query: Unpack[RegressionsQuery]) -> Rows[Row]:
        """Losses of level, those that moved together as one thread.

        Changes of one hardware and engine that may have happened at one time are one thread. Its `state`
        is `fixed` if later levels are as good as those before but for what `smallest-changes` of the
        server's imax.yaml ignores, `expected` if a waiver accepts what is left (an annotation of the kind
        `expected` whose `to` has not passed, or an exception of imax.yaml that held when the run was
        compared), `acknowledged` if annotations of the kinds `acknowledged` or `known-issue` cover it,
        else `open`. Without `branch`, it is `main`.
        """
        return self._rows("/api/v1/regressions", query)

    def reliability(self, **query: Unpack[ReliabilityQuery]) -> Rows[Row]:
        """Points by hardware, engine and outcome."""
        return self._rows("/api/v1/reliability", query)

    def runs(self, **query: Unpack[RunsQuery]) -> Rows[Row]:
        """Runs, the newest first."""
        return self._rows("/api/v1/runs", query, page_size=1000)

    def run(self, run: int, **query: Unpack[RunQuery]) -> Document:
        """A run with its plan, jobs, verdicts and files.

        `plan` is what was to be measured: of each curve the concurrencies, those that were measured, and
        the jobs. `planned` has the rows of the plan that was published with the run, and is null without
        one; `plan` is of the run's points then. `jobs` tell where their time went, `verdicts` are those
        that were given when the run was compared. `problems` has the contradictions between plan and
        results, `failures` the points without numbers, `files` the digests of what was read and `sources`
        what is known of these files. Other formats than JSON have the failures. With `as_of`, plan,
        results and failures are those of that time.
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
        no mean. With `branch`, it has the levels between change points.
        """
        return self._rows("/api/v1/series", query, nested="values")

    def submissions(self, **query: Unpack[SubmissionsQuery]) -> Rows[Row]:
        """Submissions of the community, the newest first."""
        return self._rows("/api/v1/submissions", query, page_size=1000)

    def submission(self, id: int) -> Document:
        """A submission with its runs.

        For tokens with the scope review. The runs are not reviewed.
        """
        return self._document(f"/api/v1/submissions/{segment(id)}", {})

    def accept(self, id: int, **body: Unpack[AcceptBody]) -> Row:
        """Take a submission: its runs are stored, marked as the community's."""
        return self._write(f"/api/v1/submissions/{segment(id)}/accept", body)

    def refuse(self, id: int, **body: Unpack[RefuseBody]) -> Row:
        """Refuse a submission."""
        return self._write(f"/api/v1/submissions/{segment(id)}/refuse", body)

    def trends(self, **query: Unpack[TrendsQuery]) -> Rows[Row]:
        """Curves over the runs that measured them.

        One series for each model, hardware, engine, precision and workload. Without `at` a value is the
        geometric mean over the points that at least nine of ten runs measured; a run without one of them
        has null and `incomplete`. With `at` it is the throughput of the run's Pareto frontier at that
        interactivity, `measured` or `between` two points, and null where the frontier does not reach.
        `levels` are found as those of points. Pull requests are left out.
        """
        return self._rows("/api/v1/trends", query)

    def versions(self, **query: Unpack[VersionsQuery]) -> Document:
        """Changes from one version to another.

        Of each configuration that both versions measured, the geometric mean of head over base at common
        concurrencies. `low` and `high` are the 95 % interval of that mean over concurrencies, not over
        runs; fewer than three concurrencies are `unsure`.
        """
        return self._document("/api/v1/versions", query)


class AsyncRoutes:
    """The routes, for programs with an event loop."""

    def _rows(self, path: str, query: Mapping[str, object], nested: str | None = None, page_size: int | None = None) -> AsyncRows[Any]:
        raise NotImplementedError

    async def _document(self, path: str, query: Mapping[str, object]) -> AsyncDocument:
        raise NotImplementedError

    async def _write(self, path: str, body: Mapping[str, object] | None) -> Row:
        raise NotImplementedError

    def accuracy(self, **query: Unpack[AccuracyQuery]) -> AsyncRows[Row]:
        """Points beside the accuracy of their configurations.

        Of the newest curves of a branch (`main` without one). `place` is `on` the frontier of throughput
        per GPU and interactivity of those points whose accuracy holds, `struck` (it would be on it, and
        its accuracy fell) or `behind`. `scores` are the newest of the configuration; each is judged
        against the score of the same model and task, of any configuration, with the highest lower bound.
        It fell where a z-test says so with 99 %. A configuration without scores has none, and is not
        struck.
        """
        return self._rows("/api/v1/accuracy", query)

    def annotated(self, **query: Unpack[AnnotatedQuery]) -> AsyncRows[Row]:
        """Annotations of the points that a chart of newest curves shows.

        Of the newest curves of a branch (`main` without one), or with `run` of that run: each annotation
        that is about some of their points, with those points.
        """
        return self._rows("/api/v1/annotated", query)

    def annotations(self, **query: Unpack[AnnotationsQuery]) -> AsyncRows[Row]:
        """What people know about runs, points and periods."""
        return self._rows("/api/v1/annotations", query)

    async def annotate(self, **body: Unpack[AnnotationBody]) -> Row:
        """Note what is known of a run, points or a period."""
        return await self._write("/api/v1/annotations", body)

    async def withdraw(self, id: int) -> Row:
        """Withdraw an annotation."""
        return await self._write(f"/api/v1/annotations/{segment(id)}/withdraw", None)

    def architectures(self, **query: Unpack[ArchitecturesQuery]) -> AsyncRows[Row]:
        """llm-d beside engines on their own.

        Deployments with one replica, for equal model, hardware, precision and lengths: every deployment
        behind a router or with prefill and decode apart (`head`) against every other one (`base`),
        throughput per GPU, at common concurrencies, as `/versions` compares.
        """
        return self._rows("/api/v1/architectures", query)

    def audit(self, **query: Unpack[AuditQuery]) -> AsyncRows[Row]:
        """The log of writes, the newest first.

        For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/audit", query)

    async def bisection(self, **query: Unpack[BisectionQuery]) -> AsyncDocument:
        """What lies between the last good and the first bad run of a thread.

        `between` has the branch's runs of other points, `tried` the runs of branches that begin with
        `bisect-` and the thread's name; each has the newest 200, and `is_cut` tells whether there are
        more. `comment` is the `/sweep` comment that measures the points of the thread alone, `commands`
        make a pull request of the middle commit, which Git chooses if runs were tried or left out.
        """
        return await self._document("/api/v1/bisection", query)

    def changelog(self, **query: Unpack[ChangelogQuery]) -> AsyncRows[Row]:
        """Entries of the changelog that were measured.

        Newest first, each with the run that measured it, the pull request, and the curves that it made the
        run measure.
        """
        return self._rows("/api/v1/changelog", query)

    def changes(self, **query: Unpack[ChangesQuery]) -> AsyncRows[Row]:
        """Change points of a branch.

        The change of the level happened after `after_run` and at the latest with `run`; the method is that
        of the kept levels. With `as_of`, levels are computed from what held then. Without `branch`, it is
        `main`. `low` and `high` are the 95 % interval of `relative`. Annotations of the point between the
        two runs and within three days stand beside it, with where the two runs come from.
        """
        return self._rows("/api/v1/changes", query)

    def cheapest(self, **query: Unpack[CheapestQuery]) -> AsyncRows[Row]:
        """The cheapest configurations that meet objectives.

        From the newest curves of a branch (`main` without one). The interval of a cost is that of the
        throughput that it is computed from. Hardware without a price has no cost and is not listed, see
        `/prices`. `limited_by` is the objective with the least `headroom`, `next` the next load of the
        curve where it is cheaper and misses objectives. `fleet` is made of whole deployments that are paid
        for a month of 730 hours; `break_even.utilisation` is the share of a deployment's capacity from
        which on it is cheaper than the API. Power has hosts and facility, `joules_per_million` the GPUs
        alone, at the measured power or the design power (`power_source`).
        """
        return self._rows("/api/v1/cheapest", query)

    async def compare(self, **query: Unpack[CompareQuery]) -> AsyncDocument:
        """Two sets of points side by side.

        Points are paired by their whole keys; what one side lacks is listed in `unpaired` with the reason.
        Verdicts are those of `imax compare`. `summary` has the largest gain and loss, who won by model and
        hardware family, and what moved in sentences; `configuration` has the pairs by what differs in
        their settings, with the geometric mean of each metric's change.
        """
        return await self._document("/api/v1/compare", query)

    def costs(self, **query: Unpack[CostsQuery]) -> AsyncRows[Row]:
        """Costs over time.

        Of each run of a branch (`main` without one) and each model, hardware, engine, precision and
        workload the point that costs least among those that meet the objectives: at the price that counts
        today, and at the newest price of the same provider and kind that was known on the day of the
        measurement (null where the list of prices begins later).
        """
        return self._rows("/api/v1/costs", query)

    def curves(self, **query: Unpack[CurvesQuery]) -> AsyncRows[Curve]:
        """The newest curves of a branch.

        A curve is drawn from one run, the newest of the branch that measured it. Without `branch`, it is
        `main`.
        """
        return self._rows("/api/v1/curves", query, nested="points", page_size=1000)

    def deliveries(self, **query: Unpack[DeliveriesQuery]) -> AsyncRows[Row]:
        """Messages of saved queries, the newest first.

        Those that wait, with the time of the next attempt, and those that were delivered or given up, with
        the last answer of their receiver. For tokens with the scope admin that are not bound to a project.
        """
        return self._rows("/api/v1/deliveries", query)

    def deployments(self, **query: Unpack[DeploymentsQuery]) -> AsyncRows[Row]:
        """Measured points as deployments.

        Of each curve and version the points of the newest run, of all branches unless one is named.
        Columns of `/points`, and what the deployment is made of: version, TP, pods of prefill and decode
        with their GPUs, replicas, router, error rate, arguments of the engine. `input_tput_per_gpu` is per
        GPU that processes prompts, `output_tput_per_gpu` per GPU that generates.
        """
        return self._rows("/api/v1/deployments", query)

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

        Points name it as their `source`. `content` is the path of its content where the history is a
        folder, a branch or object storage, else null: databases keep name, size and digest alone.
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

    def data_sets(self) -> AsyncRows[Row]:
        """Lengths of the requests in MLPerf's data sets.

        Tokens of inputs and outputs: mean, percentiles and a histogram. `bins[i]` counts lengths from `i *
        bin_width` on; the last bin has all longer ones.
        """
        return self._rows("/api/v1/mlperf-datasets", {})

    def derived(self, **query: Unpack[DerivedQuery]) -> AsyncRows[Row]:
        """Numbers derived from results of MLPerf †.

        By accelerator, node and 8 accelerators; Server and Interactive against Offline of the same
        submission; against the best of the round before. None of them is an official result of MLCommons.
        A measurement that was submitted at 99 % and at 99.9 % is here once.
        """
        return self._rows("/api/v1/mlperf-derived", query)

    async def operations(self, **query: Unpack[OperationsQuery]) -> AsyncDocument:
        """How the machines that measure are doing.

        From the job records that runs keep: queue times, GPU hours, failure classes and retries by day, by
        machine and by run, and the newest failed jobs with the pages of their workflow runs. `outcomes`
        has the points by day and outcome, which histories without job records have as well. A machine is
        silent if others of its hardware had jobs since: the history does not ask the platform which
        runners are online.
        """
        return await self._document("/api/v1/operations", query)

    def points(self, **query: Unpack[PointsQuery]) -> AsyncRows[Point]:
        """Points of all runs, measured or failed.

        One object for each point that a run measured or failed to measure. A number that was not reported
        is null, never 0. `source` and `digest` tell where it comes from, see `/files/{digest}`.
        """
        return self._rows("/api/v1/points", query, page_size=1000)

    async def point(self, id: int) -> AsyncDocument:
        """A point and where its numbers come from.

        The `id` of a point is a column of `/points`. Beside all columns: the revisions with who stored
        them when from which file, what is known of these files, the jobs that were to measure it, the
        verdicts that were given, and how the values of its requests were distributed. Other formats than
        JSON have the revisions.
        """
        return await self._document(f"/api/v1/points/{segment(id)}", {})

    def prices(self) -> AsyncRows[Row]:
        """Prices of hardware."""
        return self._rows("/api/v1/prices", {})

    def projects(self, **query: Unpack[ProjectsQuery]) -> AsyncRows[Row]:
        """Projects with their runs."""
        return self._rows("/api/v1/projects", query)

    def quarantine(self, **query: Unpack[QuarantineQuery]) -> AsyncRows[Row]:
        """Rows that were not understood, with the reasons."""
        return self._rows("/api/v1/quarantine", query)

    async def records(self, **query: Unpack[RecordsQuery]) -> AsyncDocument:
        """What a run keeps of a point beside its numbers.

        Distributions as quantiles (within 1 %) and bars, the load and the engine's own metrics over time
        in at most 600 slices each, the jobs that measured it with their phases and an excerpt of the
        engine's log (16 KiB at most), the verdicts that were given, its configuration by name,
        annotations, and where its run comes from. Absent parts were not kept: whole logs and samples of
        GPUs stay in the artifacts of the run.
        """
        return await self._document("/api/v1/records", query)

    def regressions(self, **query: Unpack[RegressionsQuery]) -> AsyncRows[Row]:
        """Losses of level, those that moved together as one thread.

        Changes of one hardware and engine that may have happened at one time are one thread. Its `state`
        is `fixed` if later levels are as good as those before but for what `smallest-changes` of the
        server's imax.yaml ignores, `expected` if a waiver accepts what is left (an annotation of the kind
        `expected` whose `to` has not passed, or an exception of imax.yaml that held when the run was
        compared), `acknowledged` if annotations of the kinds `acknowledged` or `known-issue` cover it,
        else `open`. Without `branch`, it is `main`.
        """
        return self._rows("/api/v1/regressions", query)

    def reliability(self, **query: Unpack[ReliabilityQuery]) -> AsyncRows[Row]:
        """Points by hardware, engine and outcome."""
        return self._rows("/api/v1/reliability", query)

    def runs(self, **query: Unpack[RunsQuery]) -> AsyncRows[Row]:
        """Runs, the newest first."""
        return self._rows("/api/v1/runs", query, page_size=1000)

    async def run(self, run: int, **query: Unpack[RunQuery]) -> AsyncDocument:
        """A run with its plan, jobs, verdicts and files.

        `plan` is what was to be measured: of each curve the concurrencies, those that were measured, and
        the jobs. `planned` has the rows of the plan that was published with the run, and is null without
        one; `plan` is of the run's points then. `jobs` tell where their time went, `verdicts` are those
        that were given when the run was compared. `problems` has the contradictions between plan and
        results, `failures` the points without numbers, `files` the digests of what was read and `sources`
        what is known of these files. Other formats than JSON have the failures. With `as_of`, plan,
        results and failures are those of that time.
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
        no mean. With `branch`, it has the levels between change points.
        """
        return self._rows("/api/v1/series", query, nested="values")

    def submissions(self, **query: Unpack[SubmissionsQuery]) -> AsyncRows[Row]:
        """Submissions of the community, the newest first."""
        return self._rows("/api/v1/submissions", query, page_size=1000)

    async def submission(self, id: int) -> AsyncDocument:
        """A submission with its runs.

        For tokens with the scope review. The runs are not reviewed.
        """
        return await self._document(f"/api/v1/submissions/{segment(id)}", {})

    async def accept(self, id: int, **body: Unpack[AcceptBody]) -> Row:
        """Take a submission: its runs are stored, marked as the community's."""
        return await self._write(f"/api/v1/submissions/{segment(id)}/accept", body)

    async def refuse(self, id: int, **body: Unpack[RefuseBody]) -> Row:
        """Refuse a submission."""
        return await self._write(f"/api/v1/submissions/{segment(id)}/refuse", body)

    def trends(self, **query: Unpack[TrendsQuery]) -> AsyncRows[Row]:
        """Curves over the runs that measured them.

        One series for each model, hardware, engine, precision and workload. Without `at` a value is the
        geometric mean over the points that at least nine of ten runs measured; a run without one of them
        has null and `incomplete`. With `at` it is the throughput of the run's Pareto frontier at that
        interactivity, `measured` or `between` two points, and null where the frontier does not reach.
        `levels` are found as those of points. Pull requests are left out.
        """
        return self._rows("/api/v1/trends", query)

    async def versions(self, **query: Unpack[VersionsQuery]) -> AsyncDocument:
        """Changes from one version to another.

        Of each configuration that both versions measured, the geometric mean of head over base at common
        concurrencies. `low` and `high` are the 95 % interval of that mean over concurrencies, not over
        runs; fewer than three concurrencies are `unsure`.
        """
        return await self._document("/api/v1/versions", query)
