"""Made by generate.py from dist/openapi.json; do not edit.

Columns of what is answered, parameters of queries, bodies of writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

from ._typing import Required

# A row of a route that describes no columns.
Row: TypeAlias = dict[str, Any]


# A point; `fields` may leave columns out.
Point = TypedDict(
    "Point",
    {
        "attempt": int | None,
        "avg_mem_used_mb": float | None,
        "avg_power_w": float | None,
        "avg_temp_c": float | None,
        "avg_total_gpu_power_w": float | None,
        "avg_util_pct": float | None,
        "branch": str | None,
        "ci_high_e2el": float | None,
        "ci_high_intvty": float | None,
        "ci_high_tpot": float | None,
        "ci_high_tput_per_gpu": float | None,
        "ci_high_ttft": float | None,
        "ci_low_e2el": float | None,
        "ci_low_intvty": float | None,
        "ci_low_tpot": float | None,
        "ci_low_tput_per_gpu": float | None,
        "ci_low_ttft": float | None,
        "commit": str | None,
        "conc": int | None,
        "curve": str | None,
        "digest": str | None,
        "disagg": bool | None,
        "extra": dict[str, Any] | None,
        "framework": str | None,
        "gpus": int | None,
        "hardware": str | None,
        "id": int | None,
        "image": str | None,
        "input_tput_per_gpu": float | None,
        "isl": int | None,
        "joules_per_input_token": float | None,
        "joules_per_output_token": float | None,
        "joules_per_successful_query": float | None,
        "joules_per_total_token": float | None,
        "kind": str | None,
        "layout": str | None,
        "mean_e2el": float | None,
        "mean_intvty": float | None,
        "mean_itl": float | None,
        "mean_qps": float | None,
        "mean_tpot": float | None,
        "mean_ttft": float | None,
        "median_e2el": float | None,
        "median_intvty": float | None,
        "median_itl": float | None,
        "median_tpot": float | None,
        "median_ttft": float | None,
        "model": str | None,
        "model_prefix": str | None,
        "osl": int | None,
        "outcome": str | None,
        "output_tput_per_gpu": float | None,
        "p90_e2el": float | None,
        "p90_intvty": float | None,
        "p90_itl": float | None,
        "p90_tpot": float | None,
        "p90_ttft": float | None,
        "p95_e2el": float | None,
        "p95_intvty": float | None,
        "p95_itl": float | None,
        "p95_tpot": float | None,
        "p95_ttft": float | None,
        "p99.9_e2el": float | None,
        "p99.9_intvty": float | None,
        "p99.9_itl": float | None,
        "p99.9_tpot": float | None,
        "p99.9_ttft": float | None,
        "p99_e2el": float | None,
        "p99_intvty": float | None,
        "p99_itl": float | None,
        "p99_tpot": float | None,
        "p99_ttft": float | None,
        "peak_temp_c": float | None,
        "precision": str | None,
        "project": str | None,
        "provider": str | None,
        "reason": str | None,
        "repository": str | None,
        "revision": int | None,
        "run": int | None,
        "run_id": str | None,
        "scenario": str | None,
        "server_overall_cache_hit_rate": float | None,
        "source": str | None,
        "spec_decoding": str | None,
        "started": str | None,
        "std_e2el": float | None,
        "std_intvty": float | None,
        "std_itl": float | None,
        "std_tpot": float | None,
        "std_ttft": float | None,
        "total_gpu_energy_j": float | None,
        "tput_per_gpu": float | None,
        "variant": str | None,
    },
    total=False,
)


class Curve(TypedDict, total=False):
    """A curve of one run with its points."""

    branch: str | None
    commit: str | None
    curve: str | None
    disagg: bool | None
    framework: str | None
    gpus: int | None
    hardware: str | None
    isl: int | None
    layout: str | None
    model: str | None
    model_prefix: str | None
    osl: int | None
    precision: str | None
    project: str | None
    run: int | None
    scenario: str | None
    spec_decoding: str | None
    started: str | None
    variant: str | None
    points: list[Point]


class Dimensions(TypedDict, total=False):
    """Dimensions of points, sent as `filter`: a glob such as `h200*`, or several that are alternatives."""

    model: str | Sequence[str]
    hardware: str | Sequence[str]
    framework: str | Sequence[str]
    precision: str | Sequence[str]
    sequence: str | Sequence[str]
    layout: str | Sequence[str]
    conc: int | str | Sequence[int] | Sequence[str]


class AcceptBody(TypedDict, total=False):
    """Why a submission is taken."""

    reason: str | None


class AnnotationBody(TypedDict, total=False):
    """What is known, and of what."""

    filters: str | Sequence[str]
    from_: str | None
    kind: str | None
    link: str | None
    run: int | None
    text: Required[str]
    to: str | None


class RefuseBody(TypedDict, total=False):
    """Why a submission is refused."""

    reason: Required[str]


class RetractBody(TypedDict, total=False):
    """Why a run is retracted."""

    reason: Required[str]


class AccuracyQuery(Dimensions, total=False):
    """Parameters of /api/v1/accuracy."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime


class AnnotatedQuery(Dimensions, total=False):
    """Parameters of /api/v1/annotated."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime


class AnnotationsQuery(TypedDict, total=False):
    """Parameters of /api/v1/annotations."""

    as_of: str | datetime


class ArchitecturesQuery(Dimensions, total=False):
    """Parameters of /api/v1/architectures."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime


class AuditQuery(TypedDict, total=False):
    """Parameters of /api/v1/audit."""

    limit: int


class BisectionQuery(Dimensions, total=False):
    """Parameters of /api/v1/bisection."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    thread: Required[str]


class ChangelogQuery(Dimensions, total=False):
    """Parameters of /api/v1/changelog."""

    filter: str | Sequence[str]
    project: str
    branch: str


class ChangesQuery(Dimensions, total=False):
    """Parameters of /api/v1/changes."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    metric: Literal[
        "throughput-per-gpu",
        "output-throughput-per-gpu",
        "input-throughput-per-gpu",
        "ttft",
        "ttft-p99",
        "tpot",
        "interactivity",
        "e2el",
        "e2el-p99",
        "qps",
        "cache-hit-rate",
    ]


class CheapestQuery(Dimensions, total=False):
    """Parameters of /api/v1/cheapest."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    slo: str | Sequence[str]
    tokens: Literal["total", "input", "output"]
    provider: str
    price_kind: str
    tokens_per_month: float
    power_kw: float
    utilisation: float
    api_usd_per_million: float
    configurations: bool
    unreachable: bool
    imports: bool
    limit: int


class CompareQuery(Dimensions, total=False):
    """Parameters of /api/v1/compare."""

    base: Required[str]
    head: Required[str]
    filter: str | Sequence[str]
    project: str
    branch: str
    as_of: str | datetime


class CostsQuery(Dimensions, total=False):
    """Parameters of /api/v1/costs."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    slo: str | Sequence[str]
    tokens: Literal["total", "input", "output"]
    provider: str
    price_kind: str


class CurvesQuery(Dimensions, total=False):
    """Parameters of /api/v1/curves."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    fields: str
    pull_requests: bool
    page_size: int


class DeliveriesQuery(TypedDict, total=False):
    """Parameters of /api/v1/deliveries."""

    limit: int


class DeploymentsQuery(Dimensions, total=False):
    """Parameters of /api/v1/deployments."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    family: str


class EvalsQuery(TypedDict, total=False):
    """Parameters of /api/v1/evals."""

    project: str
    branch: str
    task: str
    as_of: str | datetime
    limit: int


class FacetsQuery(Dimensions, total=False):
    """Parameters of /api/v1/facets."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime


class FrontierQuery(Dimensions, total=False):
    """Parameters of /api/v1/frontier."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    at: float | Sequence[float]


class IngestQuery(TypedDict, total=False):
    """Parameters of /api/v1/ingest."""

    commit: str
    branch: str
    date: str | datetime
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    repository: str
    run_id: str
    attempt: int
    pull_request: int
    project: str
    partial: bool
    dry_run: bool
    note: str


class MlperfQuery(TypedDict, total=False):
    """Parameters of /api/v1/mlperf."""

    project: str
    suite: str
    round: str
    model: str
    scenario: str
    submitter: str
    hardware: str
    as_of: str | datetime


class DerivedQuery(TypedDict, total=False):
    """Parameters of /api/v1/mlperf-derived."""

    project: str
    suite: str
    round: str
    model: str
    scenario: str
    submitter: str
    hardware: str
    as_of: str | datetime


class OperationsQuery(Dimensions, total=False):
    """Parameters of /api/v1/operations."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    silent_days: int


class PointsQuery(Dimensions, total=False):
    """Parameters of /api/v1/points."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    fields: str
    sort: Literal[
        "id",
        "-id",
        "run",
        "-run",
        "attempt",
        "-attempt",
        "started",
        "-started",
        "isl",
        "-isl",
        "osl",
        "-osl",
        "gpus",
        "-gpus",
        "conc",
        "-conc",
        "revision",
        "-revision",
        "tput_per_gpu",
        "-tput_per_gpu",
        "output_tput_per_gpu",
        "-output_tput_per_gpu",
        "input_tput_per_gpu",
        "-input_tput_per_gpu",
        "mean_ttft",
        "-mean_ttft",
        "median_ttft",
        "-median_ttft",
        "std_ttft",
        "-std_ttft",
        "p90_ttft",
        "-p90_ttft",
        "p95_ttft",
        "-p95_ttft",
        "p99_ttft",
        "-p99_ttft",
        "p99.9_ttft",
        "-p99.9_ttft",
        "mean_tpot",
        "-mean_tpot",
        "median_tpot",
        "-median_tpot",
        "std_tpot",
        "-std_tpot",
        "p90_tpot",
        "-p90_tpot",
        "p95_tpot",
        "-p95_tpot",
        "p99_tpot",
        "-p99_tpot",
        "p99.9_tpot",
        "-p99.9_tpot",
        "mean_intvty",
        "-mean_intvty",
        "median_intvty",
        "-median_intvty",
        "std_intvty",
        "-std_intvty",
        "p90_intvty",
        "-p90_intvty",
        "p95_intvty",
        "-p95_intvty",
        "p99_intvty",
        "-p99_intvty",
        "p99.9_intvty",
        "-p99.9_intvty",
        "mean_itl",
        "-mean_itl",
        "median_itl",
        "-median_itl",
        "std_itl",
        "-std_itl",
        "p90_itl",
        "-p90_itl",
        "p95_itl",
        "-p95_itl",
        "p99_itl",
        "-p99_itl",
        "p99.9_itl",
        "-p99.9_itl",
        "mean_e2el",
        "-mean_e2el",
        "median_e2el",
        "-median_e2el",
        "std_e2el",
        "-std_e2el",
        "p90_e2el",
        "-p90_e2el",
        "p95_e2el",
        "-p95_e2el",
        "p99_e2el",
        "-p99_e2el",
        "p99.9_e2el",
        "-p99.9_e2el",
        "avg_power_w",
        "-avg_power_w",
        "avg_total_gpu_power_w",
        "-avg_total_gpu_power_w",
        "total_gpu_energy_j",
        "-total_gpu_energy_j",
        "joules_per_successful_query",
        "-joules_per_successful_query",
        "joules_per_input_token",
        "-joules_per_input_token",
        "joules_per_output_token",
        "-joules_per_output_token",
        "joules_per_total_token",
        "-joules_per_total_token",
        "avg_temp_c",
        "-avg_temp_c",
        "peak_temp_c",
        "-peak_temp_c",
        "avg_util_pct",
        "-avg_util_pct",
        "avg_mem_used_mb",
        "-avg_mem_used_mb",
        "mean_qps",
        "-mean_qps",
        "server_overall_cache_hit_rate",
        "-server_overall_cache_hit_rate",
        "ci_low_tput_per_gpu",
        "-ci_low_tput_per_gpu",
        "ci_high_tput_per_gpu",
        "-ci_high_tput_per_gpu",
        "ci_low_intvty",
        "-ci_low_intvty",
        "ci_high_intvty",
        "-ci_high_intvty",
        "ci_low_ttft",
        "-ci_low_ttft",
        "ci_high_ttft",
        "-ci_high_ttft",
        "ci_low_tpot",
        "-ci_low_tpot",
        "ci_high_tpot",
        "-ci_high_tpot",
        "ci_low_e2el",
        "-ci_low_e2el",
        "ci_high_e2el",
        "-ci_high_e2el",
    ]
    page_size: int


class ProjectsQuery(TypedDict, total=False):
    """Parameters of /api/v1/projects."""

    as_of: str | datetime


class QuarantineQuery(TypedDict, total=False):
    """Parameters of /api/v1/quarantine."""

    as_of: str | datetime


class RecordsQuery(TypedDict, total=False):
    """Parameters of /api/v1/records."""

    run: Required[int]
    curve: Required[str]
    conc: Required[int]
    against: int
    as_of: str | datetime


class RegressionsQuery(Dimensions, total=False):
    """Parameters of /api/v1/regressions."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    state: Literal["open", "acknowledged", "expected", "fixed"]
    metric: Literal[
        "throughput-per-gpu",
        "output-throughput-per-gpu",
        "input-throughput-per-gpu",
        "ttft",
        "ttft-p99",
        "tpot",
        "interactivity",
        "e2el",
        "e2el-p99",
        "qps",
        "cache-hit-rate",
    ]


class ReliabilityQuery(Dimensions, total=False):
    """Parameters of /api/v1/reliability."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime


class RunsQuery(TypedDict, total=False):
    """Parameters of /api/v1/runs."""

    project: str
    branch: str
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    retracted: bool
    page_size: int


class RunQuery(TypedDict, total=False):
    """Parameters of /api/v1/runs/{run}."""

    as_of: str | datetime


class SeriesQuery(Dimensions, total=False):
    """Parameters of /api/v1/series."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    metric: Literal[
        "throughput-per-gpu",
        "output-throughput-per-gpu",
        "input-throughput-per-gpu",
        "ttft",
        "ttft-p99",
        "tpot",
        "interactivity",
        "e2el",
        "e2el-p99",
        "qps",
        "cache-hit-rate",
    ]
    by: Literal["date", "commit", "version", "image"]


class SubmissionsQuery(TypedDict, total=False):
    """Parameters of /api/v1/submissions."""

    state: Literal["open", "acknowledged", "expected", "fixed"]
    project: str
    page_size: int


class SubmitQuery(TypedDict, total=False):
    """Parameters of /api/v1/submissions."""

    commit: str
    branch: str
    date: str | datetime
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    repository: str
    run_id: str
    attempt: int
    pull_request: int
    project: str
    partial: bool
    dry_run: bool
    note: str


class TrendsQuery(Dimensions, total=False):
    """Parameters of /api/v1/trends."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    metric: Literal[
        "throughput-per-gpu",
        "output-throughput-per-gpu",
        "input-throughput-per-gpu",
        "ttft",
        "ttft-p99",
        "tpot",
        "interactivity",
        "e2el",
        "e2el-p99",
        "qps",
        "cache-hit-rate",
    ]
    at: float


class VersionsQuery(Dimensions, total=False):
    """Parameters of /api/v1/versions."""

    filter: str | Sequence[str]
    project: str
    branch: str
    kind: Literal["main", "pull-request", "manual", "import", "release", "community"]
    run: int
    commit: str
    image: str
    outcome: Literal["measured", "server", "client", "infra", "timeout", "cancelled", "invalid", "missing"]
    since: str | datetime
    until: str | datetime
    as_of: str | datetime
    family: str
    base: str
    head: str
