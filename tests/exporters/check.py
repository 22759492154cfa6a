"""See check.sh. Each check exports the history of ten nights and reads it back by the receiver's own library."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NIGHTS = ROOT / "tests/golden/report/history/history"
BINARY = os.environ.get("IMAX_BINARY", str(ROOT / "target/debug/imax"))
DEADLINE_S = 300


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        runs = [json.loads(file.read_text()) for file in sorted(NIGHTS.glob("*.json"))]
        check_mlflow(folder, runs)
        check_otlp(runs)
        check_wandb(folder, runs)
    print("MLflow, OpenTelemetry and Weights & Biases read what imax sent")


def measured(runs):
    """(commit, point) of each measured point."""
    return [(run["commit"], point) for run in runs for point in run["run"]["points"] if "measured" in point["outcome"]]


def export(*arguments, expected=0, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "OTEL_"))}
    command = [BINARY, "export", "--history", str(NIGHTS), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env={**clean, **environment})
    assert ended.returncode == expected, (ended.returncode, ended.stderr)
    return ended.stderr


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def mlflow_server(folder):
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    with open(folder / "mlflow.log", "w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            await_health(server, f"{url}/health", folder / "mlflow.log")
            yield url
        finally:
            os.killpg(server.pid, 15)
            server.wait(60)


def await_health(server, url, log):
    end = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert server.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def check_mlflow(folder, runs):
    import mlflow

    with mlflow_server(folder) as url:
        expected = measured(runs)
        said = export("--format", "mlflow", "--to", url, "--experiment", "nights")
        assert f"{len(expected)} points added" in said, said
        # Again, by the variable: everything is there already.
        said = export("--format", "mlflow", "--experiment", "nights", MLFLOW_TRACKING_URI=url)
        assert " 0 points added" in said, said
        client = mlflow.MlflowClient(url)
        experiment = client.get_experiment_by_name("nights")
        found = client.search_runs([experiment.experiment_id], max_results=1000)
        assert len(found) == len(expected), (len(found), len(expected))
        by_identity = {(run.data.tags["mlflow.source.git.commit"], run.data.params["hardware"], run.data.params["conc"]): run for run in found}
        for commit, point in expected:
            run = by_identity[commit, point["key"]["curve"]["runner"], str(point["key"]["conc"])]
            assert run.data.metrics == point["outcome"]["measured"], (commit, point["key"])
            assert run.info.status == "FINISHED"
            assert run.data.params["model"] == point["model"]
        # One that an export left unfinished is completed, not doubled.
        client.update_run(found[0].info.run_id, status="RUNNING")
        said = export("--format", "mlflow", "--to", url, "--experiment", "nights")
        assert " 1 points added" in said, said
        assert len(client.search_runs([experiment.experiment_id], max_results=1000)) == len(expected)
        client.delete_experiment(experiment.experiment_id)
        said = export("--format", "mlflow", "--to", url, "--experiment", "nights", expected=2)
        assert "MLflow refused" in said, said
    said = export("--format", "mlflow", "--to", "http://jane:secret@127.0.0.1:1", expected=2)
    assert "MLFLOW_TRACKING_USERNAME" in said and "secret" not in said, said


class Receiver:
    """An HTTP receiver that keeps what it gets."""

    def __init__(self, answer):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, dict(self.headers.items()), body))
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def check_otlp(runs):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    with Receiver(b'{"partialSuccess": {}}') as receiver:
        export("--format", "otlp", "--to", receiver.url, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc,x-tenant=bench")
    values = {}
    for path, headers, body in receiver.received:
        assert (path, headers["authorization"], headers["x-tenant"]) == ("/v1/metrics", "Bearer abc", "bench")
        # Unknown or misspelt fields are an error here.
        request = json_format.Parse(body, ExportMetricsServiceRequest())
        for resource in request.resource_metrics:
            commit = attributes(resource.resource)["vcs.ref.head.revision"]
            for metric in resource.scope_metrics[0].metrics:
                for number in metric.gauge.data_points:
                    point = attributes(number)
                    assert number.time_unix_nano > 10**18 and metric.unit, metric
                    values[commit, point["hardware"], point["conc"], metric.name] = number.as_double
    expected = {
        (commit, point["key"]["curve"]["runner"], str(point["key"]["conc"]), f"imax.{name}"): value
        for commit, point in measured(runs)
        for name, value in point["outcome"]["measured"].items()
    }
    assert values == expected, (len(values), len(expected))
    with Receiver(b'{"partialSuccess": {"rejectedDataPoints": "3", "errorMessage": "too old"}}') as receiver:
        said = export("--format", "otlp", "--to", receiver.url, expected=4)
    assert "3 numbers were rejected: too old" in said, said


def attributes(message):
    return {attribute.key: attribute.value.string_value for attribute in message.attributes}


def check_wandb(folder, runs):
    """The export of the Python client, offline, read from the files that wandb sync sends."""
    with served(str(NIGHTS)) as url:
        command = [sys.executable, "-m", "imax_results.wandb_export", url, "--project", "nights", "--offline", "--folder", str(folder)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment = {**clean, "PYTHONPATH": str(ROOT / "clients/python/src"), "HOME": str(folder), "WANDB_ERROR_REPORTING": "false"}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=environment, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    expected = measured(runs)
    found = {}
    files = list(folder.glob("wandb/offline-run-*/run-*.wandb"))
    for file in files:
        config, history = wandb_records(file)
        for row in history:
            found[config["commit"], config["hardware"], row["conc"]] = row
    assert len(found) == len(expected), (len(found), len(expected), len(files))
    for commit, point in expected:
        row = found[commit, point["key"]["curve"]["runner"], point["key"]["conc"]]
        numbers = point["outcome"]["measured"]
        assert {name: row[name] for name in numbers} == numbers, (commit, point["key"])


def wandb_records(file):
    from wandb.proto import wandb_internal_pb2

    config, history = {}, []
    for data in log_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        if record.HasField("history"):
            items = record.history.item
            history.append({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items})
    return config, history


def log_records(data):
    """The records of a log of LevelDB, behind the seven bytes that Weights & Biases puts before it.

    https://github.com/google/leveldb/blob/main/doc/log_format.md
    """
    assert data[:4] == b":W&B", data[:7]
    block, head, at, parts = 32768, 7, 7, []
    while at + head <= len(data):
        if block - at % block < head:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts.append(data[at + head : at + head + length])
        at += head + length
        # Whole records, and the last parts of others.
        if kind in (1, 4):
            yield b"".join(parts)
            parts = []


@contextlib.contextmanager
def served(history):
    command = [BINARY, "serve", "--history", history, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = server.stderr.readline()
            assert line.startswith("listening on http://"), line
            yield line.removeprefix("listening on ").split(",")[0]
        finally:
            server.terminate()
            server.communicate(timeout=60)


if __name__ == "__main__":
    main()
