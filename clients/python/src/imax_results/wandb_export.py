"""Measured points to Weights & Biases, through its own package: online, or offline files that `wandb sync` sends later.

    python -m imax_results.wandb_export http://127.0.0.1:8080 --project imax --offline --filter model=dsr1

A run of Weights & Biases is a curve of a run of imax: its configuration has the dimensions, and each concurrency is a step. Its id is made of
both, so that an export that is repeated continues the same run. The key is in WANDB_API_KEY or where `wandb login` put it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from .client import Client
from .models import Point

DIMENSIONS = (
    *("project", "branch", "commit", "started", "model_prefix", "model", "precision", "hardware", "framework", "spec_decoding"),
    *("disagg", "scenario", "isl", "osl", "layout", "variant", "gpus", "image"),
)

# Columns that identify or describe a point, and are no metric of it.
_OTHER = frozenset({*DIMENSIONS, "id", "provider", "repository", "run_id", "run", "attempt", "kind", "curve", "conc"}) | {
    *("outcome", "reason", "revision", "digest", "source", "extra"),
}


def export(points: Iterable[Point], project: str, *, entity: str | None = None, offline: bool = False, folder: Path | None = None) -> int:
    """Logs the measured points, and gives the number of runs of Weights & Biases."""
    try:
        import wandb
    except ImportError as error:
        raise ImportError("the export needs wandb: pip install 'imax-results[wandb]'") from error
    measured = [point for point in points if point.get("outcome") == "measured"]
    measured.sort(key=lambda point: (*identity(point), point.get("conc") or 0))
    count = 0
    for (run, curve), group in groupby(measured, key=identity):
        members = list(group)
        first = cast("dict[str, Any]", members[0])
        with wandb.init(
            project=project,
            entity=entity,
            id=hashlib.sha256(f"{run}/{curve}".encode()).hexdigest()[:24],
            name=f"{first['model_prefix']} {first['hardware']} {first['framework']} {first['layout']}",
            group=f"{first['commit'][:12]} {first['started']}",
            config={name: first.get(name) for name in DIMENSIONS},
            mode="offline" if offline else "online",
            resume="allow",
            dir=folder,
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True),
        ) as logged:
            logged.define_metric("*", step_metric="conc")
            for step, point in enumerate(members):
                # A step that a continued run has already is not logged again.
                logged.log({"conc": point.get("conc"), **metrics(point)}, step=step)
        count += 1
    return count


def identity(point: Point) -> tuple[str, str]:
    """The run, by what is the same in every history that has it, and the curve."""
    run = "/".join(str(point.get(name)) for name in ("project", "provider", "repository", "run_id", "attempt"))
    return run, str(point.get("curve"))


def metrics(point: Point) -> dict[str, float]:
    """The numbers of a point. One that was not reported is left out: it is not 0."""
    return {name: float(value) for name, value in point.items() if name not in _OTHER and isinstance(value, (int, float))}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("url", help="the address of imax serve")
    parser.add_argument("--project", default="imax", help="the project of Weights & Biases [%(default)s]")
    parser.add_argument("--entity", help="the user or team [default: that of the key]")
    parser.add_argument("--offline", action="store_true", help="write files for wandb sync instead of sending")
    parser.add_argument("--folder", type=Path, help="where offline files go [default: ./wandb]")
    parser.add_argument("--branch", help="only runs of this branch")
    parser.add_argument("--since", help="only runs from then on, RFC 3339")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=GLOB", help="only points that match")
    arguments = parser.parse_args()
    query: dict[str, Any] = {"branch": arguments.branch, "since": arguments.since, "filter": arguments.filter}
    with Client(arguments.url, os.environ.get("IMAX_TOKEN") or None) as client:
        count = export(client.points(**query), arguments.project, entity=arguments.entity, offline=arguments.offline, folder=arguments.folder)
    print(f"{count} runs of Weights & Biases")


if __name__ == "__main__":
    main()
