#!/usr/bin/env bash
# DeepSeek-R1, fp8, MI325X, SGLang.
export SGLANG_USE_AITER=1
# SPEC_DECODING is looked at in engines/sglang.sh.
exec bash "$(dirname "$0")/engines/sglang.sh" --mem-fraction-static 0.85 --attention-backend aiter
