#!/usr/bin/env bash
# DeepSeek-R1, fp4, GB200, SGLang with prefill and decode apart.
exec bash "$(dirname "$0")/../engines/sglang_disagg.sh" --mem-fraction-static 0.85 --quantization modelopt_fp4
