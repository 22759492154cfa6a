#!/usr/bin/env bash
# The Triton Inference Server, as the wheel of nvidia-pytriton has it, for the tests: after fetch.sh OUT, OUT/tritonserver starts it
# with any options of its own; it needs no GPU. Its back end for Python is built for one version of Python, that of this machine.
set -euo pipefail
out=$(realpath -m "${1:?usage: fetch.sh OUT}")
mkdir -p "$out"
if [ -x "$out/tritonserver" ]; then exit 0; fi

rm -rf "$out/venv" "$out/backends"
python3 -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-pytriton==0.7.0
packages=$("$out/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$("$out/venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
server="$packages/pytriton/tritonserver"
stub="$server/python_backend_stubs/$version"
if [ ! -d "$stub" ]; then
  echo "nvidia-pytriton has no back end for Python $version, only for: $(ls "$server/python_backend_stubs")" >&2
  exit 1
fi
mkdir -p "$out/backends/python"
cp -r "$server"/backends/python/. "$stub"/. "$out/backends/python/"
chmod +x "$out/backends/python/triton_python_backend_stub" "$server/bin/tritonserver"
library=$("$out/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
# The back end starts a Python of its own, which ignores PYTHONPATH; the model reads this variable to find numpy.
cat >"$out/tritonserver.new" <<END
#!/bin/sh
export LD_LIBRARY_PATH="$packages/nvidia_pytriton.libs:$server/lib:$library"
export MODEL_PACKAGES="$packages" PYTHONDONTWRITEBYTECODE=1
exec "$server/bin/tritonserver" --backend-directory="$out/backends" "\$@"
END
chmod +x "$out/tritonserver.new"
mv "$out/tritonserver.new" "$out/tritonserver"
echo "Triton's server: nvidia-pytriton 0.7.0, Python $version"
