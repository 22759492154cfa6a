#!/usr/bin/env bash
# GPT-OSS-120B, fp4, B200, TensorRT-LLM.
# SPEC_DECODING is looked at in engines/trtllm.sh.
exec bash "$(dirname "$0")/engines/trtllm.sh"
