#!/usr/bin/env bash
# GPT-OSS-120B, fp4, MI355X, ATOM.
export ATOM_GPT_OSS_MODEL=1
# SPEC_DECODING is looked at in engines/atom.sh.
exec bash "$(dirname "$0")/engines/atom.sh"
