#!/usr/bin/env bash
# A Docker engine that knows CDI, for the tests alone: after fetch.sh OUT the programs of one are in OUT/bin, unless this
# machine's own engine will do; then OUT/bin is empty. Nothing is installed: the packages of Debian 13 come from the mirror that
# apt uses here, verified by apt with lists of its own.
set -euo pipefail
out=$(realpath -m "${1:?usage: fetch.sh OUT}")
mkdir -p "$out/bin"
own=$(dockerd --version | sed 's/^Docker version \([0-9]*\).*/\1/')
if [ "$own" -ge 25 ] || [ -x "$out/bin/dockerd" ]; then exit 0; fi

# shellcheck disable=SC2016 # the fields are apt's
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | sort -u | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -z "$mirror" ] || [ ! -e "$keys" ]; then
  echo "dockerd $own knows no CDI, and apt knows no mirror of Debian to take a newer one from; install Docker 25 or later" >&2
  exit 1
fi
work=$(mktemp -d "$out/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' "$mirror" "$keys" >"$work/trixie.sources"
options=(-o "Dir::Etc::sourcelist=$work/trixie.sources" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update -qq
(cd "$work/debs" && apt-get "${options[@]}" download -qq docker.io containerd)
for package in "$work"/debs/*.deb; do dpkg-deb --extract "$package" "$work/root"; done
"$work/root/usr/sbin/dockerd" --version
mv "$work"/root/usr/bin/* "$work"/root/usr/sbin/* "$out/bin/"
