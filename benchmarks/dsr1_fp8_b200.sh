#!/usr/bin/env bash
# DeepSeek-R1, fp8, B200, SGLang.
# SPEC_DECODING is looked at in engines/sglang.sh.
exec bash "$(dirname "$0")/engines/sglang.sh" --mem-fraction-static 0.85
