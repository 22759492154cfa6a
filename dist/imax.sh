#!/usr/bin/env bash
# Finds the imax binary for this runner and becomes it. In this order:
#   1. bundled with the action in dist/bin/ (a release commit): nothing is downloaded;
#   2. kept from an earlier job, or downloaded from a pin in dist/pins.txt and checked against its SHA-256;
#   3. built from the action's own source with `cargo install --locked`.
# IMAX_ACTION_VERSION, the input `version`, names another release: only a pin of this action's commit can serve it.
# The last two end in the runner's tool cache, under a name made of what the binary was made from. Every job of the runner can write
# there, so a pinned binary is checked each time it is used; what is built from source has no checksum that this commit knows, so that
# runners which serve several jobs should use a release. Beside it lies imax-nvml,
# where there is one: the reader of NVIDIA's energy counters, which a static binary cannot be. imax works without it.
set -euo pipefail

dist=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
action=$(dirname "$dist")

fail() {
  printf '::error title=imax::%s\n' "$1" >&2
  exit 4
}

platform() {
  local os=${RUNNER_OS:-$(uname -s)} arch=${RUNNER_ARCH:-$(uname -m)}
  case "$os/$arch" in
    Linux/X64 | Linux/x86_64) echo x86_64-linux ;;
    Linux/ARM64 | Linux/aarch64) echo aarch64-linux ;;
    *) return 1 ;;
  esac
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# has_checksum FILE SHA256: whether it is a program with this checksum, not a link to one that may change.
has_checksum() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ -x "$1" ] && [ "$(checksum "$1")" = "$2" ]
}

# private_folder FOLDER: made where it is missing. Whoever else can write to it could exchange a file after its check.
private_folder() {
  local owner
  mkdir -p "$1"
  owner=$(stat -c %u "$1")
  if [ "$owner" != "$(id -u)" ] && [ "$owner" != 0 ]; then
    fail "$1 belongs to user $owner, expected $(id -un) or root; remove it, or set RUNNER_TOOL_CACHE to a folder of this user"
  fi
  if [ -n "$(find "$1" -maxdepth 0 -perm /022)" ]; then
    chmod go-w "$1" 2>/dev/null || fail "$1 can be written by other users; run chmod go-w on it"
  fi
}

# refuse_other_bundled FILE SHA256: fails where a file of the release commit is not the one that the commit names.
refuse_other_bundled() {
  local found
  if [ -z "$2" ] || [ ! -e "$1" ]; then return; fi
  found=$(checksum "$1")
  if [ "$found" != "$2" ]; then
    fail "$1 has SHA-256 $found, expected $2 from dist/pins.txt; nothing of it was run"
  fi
}

# Where gh and a token are there, the attestation of a download of this project's own releases is verified as well: that the release
# workflow of the repository built these bytes.
verify_attestation() {
  local url=$1 file=$2 repository
  repository=$(sed -n 's#^repository = "https://github.com/\(.*\)"$#\1#p' "$action/Cargo.toml" | head -n 1)
  case $url in
    "https://github.com/$repository/releases/"*) ;;
    *) return 0 ;;
  esac
  if [ "${GITHUB_SERVER_URL:-https://github.com}" != https://github.com ]; then return 0; fi
  if [ -z "${GH_TOKEN:-${GITHUB_TOKEN:-}}" ] || ! command -v gh >/dev/null; then return 0; fi
  # Earlier versions of gh do not know attestations.
  gh attestation verify --help >/dev/null 2>&1 || return 0
  timeout 120 gh attestation verify "$file" --repo "$repository" >&2 ||
    fail "$url has no valid attestation of $repository (gh attestation verify); nothing of it was run"
}

# One job of a host fetches or builds; the others wait for it and then find the result. The lock goes with the process.
lock() {
  command -v flock >/dev/null || return 0
  exec 9>"$1"
  flock -w 1800 9 || fail "another job has been installing imax in $(dirname "$1") for 30 minutes; remove $1 if it is dead"
}

unlock() {
  exec 9>&- || true
}

download() {
  local url=$1 sha=$2 file=$3 found
  curl --proto '=https,http' --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 600 --output "$file" "$url" || return 1
  found=$(checksum "$file")
  if [ "$found" != "$sha" ]; then
    rm -f "$file"
    fail "$url has SHA-256 $found, expected $sha from dist/pins.txt; nothing of it was run"
  fi
  verify_attestation "$url" "$file"
  chmod 755 "$file"
}

build() {
  local root=$1
  command -v cargo >/dev/null || fail "no imax binary for ${RUNNER_OS:-$(uname -s)}/${RUNNER_ARCH:-$(uname -m)}, and no cargo to build one; use a release of the action, or install Rust on this runner"
  # The target folder is outside the action's checkout: the runner may own that read-only.
  CARGO_TARGET_DIR="$root/build" cargo install --quiet --locked --path "$action" --root "$root" --no-track >&2 || fail "cargo install of imax failed; see the lines above"
  mv "$root"/bin/imax* "$root/"
}

install() {
  local cache=$1 kind=$2 sha=${3-} url=${4-} work
  work=$(mktemp -d "$cache/.new-XXXXXX")
  # shellcheck disable=SC2064 # the folder of this very call
  trap "rm -rf '$work'" EXIT
  case $kind in
    pin) download "$url" "$sha" "$work/imax" || fail "cannot download $url; check the runner's network, or use a release of the action that bundles the binary" ;;
    source) build "$work" ;;
  esac
  private_folder "$cache/$key"
  # imax last: where it is, all is there.
  if [ -e "$work/imax-nvml" ]; then mv -f "$work/imax-nvml" "$cache/$key/imax-nvml"; fi
  mv -f "$work/imax" "$cache/$key/imax"
  rm -rf "$work"
  trap - EXIT
}

# Where imax-nvml cannot be fetched, or is another one, the job goes on without it, and the next one tries again.
fetch_nvml() {
  local sha=$1 url=$2 new
  new=$(mktemp "$cache/.new-XXXXXX")
  if (download "$url" "$sha" "$new"); then
    mv -f "$new" "$cache/$key/imax-nvml"
  else
    rm -f "$new"
    printf '::notice title=imax::%s\n' "cannot download $url; GPUs are sampled without their energy counters" >&2
  fi
}

# pin FILE: checksum and address of a file of the wanted version for this runner.
pin() {
  awk -v version="$version" -v platform="$platform" -v file="$1" \
    '$1 == version && $2 == platform && $3 == file { print $4, $5; exit }' "$dist/pins.txt" && echo
}

own_version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$action/Cargo.toml" | head -n 1)
version=${IMAX_ACTION_VERSION:-$own_version}
version=${version#v}
if platform=$(platform); then
  bundled="$dist/bin/$platform/imax"
  read -r sha url < <(pin imax) || true
  read -r nvml_sha nvml_url < <(pin imax-nvml) || true
  if [ "$version" = "$own_version" ] && [ -x "$bundled" ]; then
    refuse_other_bundled "$bundled" "${sha:-}"
    refuse_other_bundled "${bundled%/*}/imax-nvml" "${nvml_sha:-}"
    exec "$bundled" "$@"
  fi
fi
if [ "$version" != "$own_version" ] && [ -z "${sha:-}" ]; then
  known=$(awk -v platform="$platform" '$2 == platform && $3 == "imax" { printf "%s%s", separator, $1; separator = ", " }' "$dist/pins.txt")
  fail "input version: no pin for imax $version on ${platform:-$(uname -sm)}; this action is $own_version and has pins for ${known:-no other}. For a later version, use a later commit of the action"
fi

cache="${RUNNER_TOOL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/imax"
private_folder "$cache"
if [ -n "${sha:-}" ]; then
  key="pin-$sha"
else
  # The same source gives the same binary: its name in the cache is the checksum of everything it is built from.
  key="src-$(cd "$action" && find Cargo.toml Cargo.lock build.rs dist/commit.txt src configs benchmarks runners -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | (
    file=$(mktemp)
    cat >"$file"
    checksum "$file"
    rm -f "$file"
  ))"
fi

# Whether the cache holds the binary; what has another checksum than its pin is removed.
is_cached() {
  local file=$cache/$key/imax
  if [ -z "${sha:-}" ]; then [ -x "$file" ]; return; fi
  if has_checksum "$file" "$sha"; then return; fi
  if [ -e "$file" ] || [ -L "$file" ]; then
    printf '::warning title=imax::%s\n' "$file is not the binary of its pin: removed without running it; an earlier job on this runner may have replaced it" >&2
    rm -rf "$file"
  fi
  return 1
}

if [ -e "$cache/$key" ]; then private_folder "$cache/$key"; fi
if ! is_cached; then
  lock "$cache/$key.lock"
  if ! is_cached; then
    if [ -n "${sha:-}" ]; then install "$cache" pin "$sha" "$url"; else install "$cache" source; fi
  fi
  unlock
fi
# Only what runs jobs has GPUs to look at.
command=${1:-}
if [ "$command" = action ]; then command=${IMAX_ACTION_COMMAND:-}; fi
if [ -n "${sha:-}" ] && ! has_checksum "$cache/$key/imax-nvml" "${nvml_sha:-none}"; then
  rm -rf "$cache/$key/imax-nvml"
  if [ "$command" = run ] && [ -n "${nvml_sha:-}" ]; then fetch_nvml "$nvml_sha" "$nvml_url"; fi
fi
exec "$cache/$key/imax" "$@"
