#!/usr/bin/env bash
# DeepSeek-R1, fp8, B200, TensorRT-LLM.
# SPEC_DECODING is looked at in engines/trtllm.sh.
exec bash "$(dirname "$0")/engines/trtllm.sh"
