#!/usr/bin/env python3
"""Measures load generators against a known truth, in interleaved rounds, and prints the tables of docs/reference/accuracy.md.

    cargo build --release
    benches/accuracy.py                                    # imax and the bare client, 1,000 streams
    benches/accuracy.py --binary OLD --binary NEW          # two versions of imax side by side
    benches/accuracy.py --peer aiperf                      # installs AIPerf from PyPI into a virtual environment

Needs Linux, Python 3.9, a C compiler and two cores: the engine is pinned to the last core, the client to the first. CPU time is user and
system time of the client's process and its children, by wait4(2).
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, ENGINE_CORE = CORES[0], CORES[-1]
TTFT_MS, ITL_MS = 50, 10
DEADLINE_S = 1800


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", action="append", help="an imax to measure; several are compared [default: target/release/imax]")
    parser.add_argument("--engine", help="the imax whose simulated engine is the server [default: the first --binary]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--requests", type=int, help="[default: five a stream]")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--peer", action="append", choices=["aiperf"], default=[])
    parser.add_argument("--only", choices=["paced", "coalesced", "requests"], help="one table in place of all")
    options = parser.parse_args()
    options.binary = [os.path.abspath(path) for path in options.binary or [os.path.join(PROJECT, "target/release/imax")]]
    options.engine = os.path.abspath(options.engine or options.binary[0])
    options.requests = options.requests or 5 * options.streams
    return options


def run_client(command, **more):
    """Runs a command on the client's core: its exit status, CPU seconds (user, system), peak memory in MB, seconds, and output."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        child = subprocess.Popen(["taskset", "-c", str(CLIENT_CORE), *command], stdout=output, stderr=subprocess.STDOUT, cwd=PROJECT, **more)
        timer = threading.Timer(DEADLINE_S, child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{text[-3000:]}")
    return {
        "user": usage.ru_utime, "system": usage.ru_stime, "memory_mb": usage.ru_maxrss / 1e3, "seconds": time.monotonic() - began, "text": text,
    }


def start_engine(binary):
    engine = subprocess.Popen(
        ["taskset", "-c", str(ENGINE_CORE), binary, "sim", "--port", "0", "--model", "demo", "--ttft-ms", str(TTFT_MS), "--itl-ms", str(ITL_MS)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT,
    )
    first = engine.stdout.readline()
    port = first.rsplit(":", 1)[-1].strip()
    if not port.isdigit():
        stop(engine)
        sys.exit(f"{binary} sim does not say its port: {first}")
    return engine, int(port)


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def bench(binary, port, folder, load):
    """Runs a load; the client's result and what its process used."""
    used = run_client([
        binary, "bench", "--port", str(port), "--model", "benchmarks/demo", "--served-model-name", "demo", "--ignore-eos",
        "--allow-saturated-client", "--save-result", "--result-dir", folder, "--result-filename", "result.json", *map(str, load),
    ])
    with open(os.path.join(folder, "result.json")) as file:
        return json.load(file), used


def median_row(rows, names):
    return [statistics.median(row[name] for row in rows) for name in names]


def table(header, rows):
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    print(flush=True)


def paced(options, folder):
    """A fixed schedule: each client's figures against the truth, and its CPU time against the floor."""
    print(f"## {options.streams} streams, {options.requests} requests of {options.tokens} tokens, TTFT {TTFT_MS} ms, a chunk each {ITL_MS} ms\n")
    bare = os.path.join(folder, "bare_client")
    subprocess.run(["cc", "-O2", "-o", bare, os.path.join(HERE, "bare_client.c")], check=True)
    load = [
        "--random-input-len", 16, "--random-output-len", options.tokens, "--num-prompts", options.requests, "--max-concurrency", options.streams,
    ]
    header = ["round", "client", "median TTFT ms", "p99 TTFT ms", "ITL std ms", "CPU us a chunk", "user", "system", "of the floor", "memory MB", "load"]
    rows, kept = [], {}
    for number in range(1, options.rounds + 1):
        engine, port = start_engine(options.engine)
        try:
            out = run_client([bare, str(port), str(options.streams), str(options.requests)])["text"]
            words = out.replace("(", " ").replace(",", " ").replace(")", " ").split()
            floor, user, system = float(words[5]), float(words[8]), float(words[10])
            rows.append([number, "bare_client", "", "", "", floor, user, system, 1.0, "", os.getloadavg()[0]])
            for binary in options.binary:
                result, used = bench(binary, port, folder, load)
                chunks = options.requests * options.tokens
                health = result["imax"]["health"]
                row = {
                    "ttft": result["median_ttft_ms"], "p99": result["p99_ttft_ms"], "std": result["std_itl_ms"],
                    "cpu": health["cpu_us_per_chunk"], "user": used["user"] * 1e6 / chunks, "system": used["system"] * 1e6 / chunks,
                    "ratio": health["cpu_us_per_chunk"] / floor, "memory": used["memory_mb"],
                }
                kept.setdefault(binary, []).append(row)
                rows.append([number, os.path.relpath(binary, PROJECT), *row.values(), os.getloadavg()[0]])
            for peer in options.peer:
                rows.append([number, *PEERS[peer](options, port, folder), os.getloadavg()[0]])
        finally:
            stop(engine)
    for binary, measured in kept.items():
        rows.append(["median", os.path.relpath(binary, PROJECT), *median_row(measured, list(measured[0])), ""])
    table(header, rows)
    if len(kept) > 1:
        first, *others = kept.values()
        for binary, measured in list(kept.items())[1:]:
            for name in ("cpu", "user"):
                ratios = [other[name] / one[name] for one, other in zip(first, measured)]
                print(f"{name} time of {os.path.relpath(binary, PROJECT)}: {statistics.median(ratios):.3f} of the first's (median of the rounds' ratios)")
        print()


def aiperf(options, port, folder):
    """AIPerf from PyPI: its figures, and CPU time and memory of its largest process."""
    environment = os.path.join(PROJECT, "target", "peers", "aiperf")
    program = os.path.join(environment, "bin", "aiperf")
    if not os.path.exists(program):
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([os.path.join(environment, "bin", "pip"), "install", "--quiet", "aiperf==0.13.0"], check=True)
    home = os.path.join(folder, "hub")
    snapshot = os.path.join(home, "hub", "models--org--demo", "snapshots", "0")
    os.makedirs(snapshot, exist_ok=True)
    os.makedirs(os.path.join(home, "hub", "models--org--demo", "refs"), exist_ok=True)
    shutil.copy(os.path.join(PROJECT, "benchmarks/demo/tokenizer.json"), snapshot)
    with open(os.path.join(home, "hub", "models--org--demo", "refs", "main"), "w") as file:
        file.write("0")
    artifacts = os.path.join(folder, "aiperf")
    used = run_client(
        [
            program, "profile", "--model", "demo", "--tokenizer", "org/demo", "--url", f"http://127.0.0.1:{port}", "--endpoint-type",
            "completions", "--streaming", "--concurrency", str(options.streams), "--request-count", str(options.requests), "--isl", "16", "--osl",
            str(options.tokens), "--extra-inputs", "ignore_eos:true", "--ui", "none", "--artifact-dir", artifacts,
        ],
        env={**os.environ, "HF_HOME": home, "HF_HUB_OFFLINE": "1"},
    )
    with open(os.path.join(artifacts, "profile_export_aiperf.json")) as file:
        result = json.load(file)
    chunks = options.requests * options.tokens
    cpu = (used["user"] + used["system"]) * 1e6 / chunks
    ttft, itl = result["time_to_first_token"], result["inter_token_latency"]
    user, system = used["user"] * 1e6 / chunks, used["system"] * 1e6 / chunks
    return ["aiperf 0.13.0", ttft["p50"], ttft["p99"], itl["std"], cpu, user, system, "", used["memory_mb"]]


PEERS = {"aiperf": aiperf}


def event(tokens):
    """A chunk as vLLM sends it, about 280 bytes, in its HTTP frame."""
    data = json.dumps({
        "id": "cmpl-5f0c6a1b2e3d4c5f", "object": "text_completion", "created": 1763800000, "model": "org/some-model-70b",
        "choices": [{"index": 0, "text": " token", "logprobs": None, "finish_reason": None, "stop_reason": None}],
        "usage": {"prompt_tokens": 16, "total_tokens": 16 + tokens, "completion_tokens": tokens},
    }, separators=(",", ":"))
    body = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


def answer_at_once(tokens):
    """Starts a process that answers each request at once with a stream of so many tokens; its id and port."""
    answer = b"".join([
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        *map(event, range(1, tokens + 1)), b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
    ])
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    child = os.fork()
    if child:
        port = listener.getsockname()[1]
        listener.close()
        return child, port
    os.sched_setaffinity(0, {ENGINE_CORE})
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, answer), daemon=True).start()


def serve(connection, answer):
    with connection:
        pending = b""
        while True:
            data = connection.recv(1 << 16)
            if not data:
                return
            pending += data
            head, end, body = pending.partition(b"\r\n\r\n")
            if not end:
                continue
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if len(body) < length:
                continue
            pending = body[length:]
            try:
                connection.sendall(answer if head.startswith(b"POST") else b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                return


def at_once(options, folder, tokens, requests, streams, unit):
    """Answers that come at once: what one core of the client takes in a second."""
    print(f"## {requests} answers of {tokens} tokens, each at once, {streams} streams\n")
    rows = []
    for number in range(1, options.rounds + 1):
        child, port = answer_at_once(tokens)
        try:
            for binary in options.binary:
                load = ["--random-input-len", 16, "--random-output-len", tokens, "--num-prompts", requests, "--max-concurrency", streams,
                        "--client-threads", 1]
                result, _ = bench(binary, port, folder, load)
                units = requests * (tokens if unit == "chunks" else 1)
                cpu = result["imax"]["health"]["cpu_us_per_chunk"] * 1e-6 * requests * tokens
                rows.append([number, os.path.relpath(binary, PROJECT), round(units / cpu), round(units / result["duration"]),
                             result["imax"]["health"]["peak_memory_mb"], os.getloadavg()[0]])
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    for binary in options.binary:
        name = os.path.relpath(binary, PROJECT)
        rows.append(["median", name, *[statistics.median(row[at] for row in rows if row[1] == name and row[0] != "median") for at in (2, 3, 4)], ""])
    table(["round", "client", f"{unit} a second of CPU time", f"{unit} a second", "memory MB", "load"], rows)


def main():
    options = arguments()
    print(f"{platform.release()}, {len(CORES)} cores, {time.strftime('%Y-%m-%d')}\n")
    with tempfile.TemporaryDirectory() as folder:
        if options.only in (None, "paced"):
            paced(options, folder)
        if options.only in (None, "coalesced"):
            at_once(options, folder, 10_000, 300, 8, "chunks")
        if options.only in (None, "requests"):
            at_once(options, folder, 1, 20_000, 64, "requests")


if __name__ == "__main__":
    main()
