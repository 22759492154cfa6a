#!/usr/bin/env python3
"""Load on imax serve: 500 connections that read curves of a history of a million points.

    benches/serving.py target/release/imax [--points 1000000] [--connections 500] [--seconds 20] [--history FILE.db]

Fills a history as benches/history.py does, unless one is named, starts the server, and lets wrk (Debian: wrk) ask for the newest curves of
different models and hardware, the generator beside the server on the same cores. Prints latencies, requests a second, errors, and the largest
memory of the server. Ends with 1 if a request failed, or the memory is above 200 MB.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import history

# Each connection asks for one selection after another, so that answers are made and not only given again.
LUA = """
local at = 0
request = function()
  at = at + 1
  return wrk.format("GET", string.format("/api/v1/curves?filter=model=m%d&filter=hardware=g%d&fields=conc,tput_per_gpu,median_intvty", at % 20, math.floor(at / 20) % 10))
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("p50_ms %.1f\\np99_ms %.1f\\nmax_ms %.1f\\n", latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
  io.write(string.format("requests %d\\nseconds %.1f\\n", summary.requests, summary.duration / 1e6))
  io.write(string.format("errors %d\\n", errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""

# Seconds until the server listens. It reads nothing of a history before.
START_S = 60


def fill(imax, folder, points):
    path = os.path.join(folder, "history.db")
    first = os.path.join(folder, "first.json")
    with open(first, "w") as file:
        json.dump(history.night(1) | {"date": "2026-10-01T00:00:00Z"}, file)
    subprocess.run([imax, "import", first, "--to", path], check=True, stdout=subprocess.DEVNULL)
    history.fill(path, False, points)
    return path


def start(imax, path, log):
    server = subprocess.Popen([imax, "serve", "--history", path, "--listen", "127.0.0.1:0", "--rate-limit", "0"], stderr=log)
    end = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < end:
        with open(log.name) as lines:
            found = re.search(r"listening on (http://[\d.:]+)", lines.read())
        if found:
            return server, found.group(1)
        time.sleep(0.05)
    server.kill()
    sys.exit("the server ended, or did not listen in time")


def largest_memory(pid):
    """MB."""
    with open(f"/proc/{pid}/status") as lines:
        found = re.search(r"VmHWM:\s+(\d+) kB", lines.read())
    return int(found.group(1)) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("imax")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--history")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    imax = os.path.abspath(arguments.imax)
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as log:
        path = arguments.history or fill(imax, folder, arguments.points)
        script = os.path.join(folder, "curves.lua")
        with open(script, "w") as file:
            file.write(LUA)
        server, address = start(imax, path, log)
        try:
            said = subprocess.run(
                ["wrk", "-t2", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--timeout", "30s", "-s", script, address],
                check=True, stdout=subprocess.PIPE, text=True,
            ).stdout
            memory = largest_memory(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    figures = dict(re.findall(r"^(\w+) ([\d.]+)$", said, re.M))
    rate = float(figures["requests"]) / float(figures["seconds"])
    print(f"{arguments.connections} connections: {figures['requests']} requests, {rate:.0f} a second, {figures['errors']} errors")
    print(f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms, largest {figures['max_ms']} ms, memory {memory:.0f} MB")
    if float(figures["errors"]) > 0 or memory > 200:
        sys.exit(1)


if __name__ == "__main__":
    main()
