#!/usr/bin/env bash
# DeepSeek-R1, fp8, MI355X, ATOM.
# SPEC_DECODING is looked at in engines/atom.sh.
exec bash "$(dirname "$0")/engines/atom.sh"
