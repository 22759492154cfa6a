#!/usr/bin/env bash
# GPT-OSS-120B, fp4, B200, vLLM.
exec bash "$(dirname "$0")/engines/vllm.sh" --gpu-memory-utilization 0.9
