#!/usr/bin/env bash
# Ollama runs on the Mac as a service; MAC is its address for ssh (user@host). The tunnel is what this row starts and stops.
set -euo pipefail

exec ssh -o BatchMode=yes -o ExitOnForwardFailure=yes -N -L "127.0.0.1:$PORT:127.0.0.1:11434" "${MAC:?set MAC to user@host}"
