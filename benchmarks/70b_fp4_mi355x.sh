#!/usr/bin/env bash
# Llama-3.3-70B, fp4, MI355X, vLLM.
export VLLM_ROCM_USE_AITER=1
exec bash "$(dirname "$0")/engines/vllm.sh" --gpu-memory-utilization 0.9
