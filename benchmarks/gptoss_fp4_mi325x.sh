#!/usr/bin/env bash
# GPT-OSS-120B, fp4, MI325X, vLLM.
export VLLM_ROCM_USE_AITER=1
exec bash "$(dirname "$0")/engines/vllm.sh" --gpu-memory-utilization 0.9
