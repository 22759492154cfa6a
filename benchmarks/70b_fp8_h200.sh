#!/usr/bin/env bash
# Llama-3.3-70B, fp8, H200, vLLM.
exec bash "$(dirname "$0")/engines/vllm.sh" --gpu-memory-utilization 0.9
