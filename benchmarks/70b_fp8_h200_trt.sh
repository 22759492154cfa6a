#!/usr/bin/env bash
# Llama-3.3-70B, fp8, H200, TensorRT-LLM.
# SPEC_DECODING is looked at in engines/trtllm.sh.
exec bash "$(dirname "$0")/engines/trtllm.sh"
