//! Jobs in containers, with stand-ins for enroot and for srun with Pyxis: they take the options apart as the real ones do
//! and run the command on the node itself, with the folders of the mounts in the place of those of the container.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::super::fixture::Fixture;
use super::{ENGINE, fixture};

/// Called as `enroot import`, `enroot start` or `srun`.
const STAND_IN: &str = r#"#!/usr/bin/env bash
here=$(dirname "$0")
printf '%s ' "$(basename "$0")" "$@" >> "$here/calls"; echo >> "$here/calls"
if [ "$1" = import ]; then
  { printf 'hsqs'; head -c 36 /dev/zero; printf '\140\0\0\0\0\0\0\0'; head -c 48 /dev/zero; } > "$3"
  exit
fi
image= mounts=() names=()
[ "$1" != start ] || shift
while [ $# -gt 0 ]; do
  case "$1" in
    --container-image=*) image=${1#*=} ;;
    --container-mounts=*) IFS=, read -ra mounts <<< "${1#*=}" ;;
    --container-env=*) IFS=, read -ra names <<< "${1#*=}" ;;
    --mount) mounts+=("$2"); shift ;;
    --env) names+=("$2"); shift ;;
    --rc) [ -r "$2" ] || exit 8; shift ;;
    -*) ;;
    *.sqsh) image=$1 ;;
    *) break ;;
  esac
  shift
done
[ -r "$image" ] || { echo "no image $image" >&2; exit 9; }
outside() {
  local mount inside
  for mount in "${mounts[@]}"; do
    IFS=: read -r source inside _ <<< "$mount"
    case "$1" in "$inside"|"$inside"/*) printf '%s' "$source${1#"$inside"}"; return ;; esac
  done
  printf '%s' "$1"
}
for name in "${names[@]}"; do declare -gx "$name=$(outside "${!name}")"; done
command=()
for word in "$@"; do command+=("$(outside "$word")"); done
exec "${command[@]}"
"#;

fn in_container(container: &str, tool: &str) -> Fixture {
    let recipe = format!("test \"$HF_TOKEN\" = hf_secret && echo had\n{ENGINE}");
    let fixture = fixture(&recipe, "main", "");
    for name in ["enroot", tool] {
        fixture.write(&format!("fake/{name}"), STAND_IN);
        fs::set_permissions(fixture.path(&format!("fake/{name}")), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let profile = fixture.read("runners/h100-a.yaml");
    let cache = fixture.path("cache").display().to_string();
    let more = format!("slurm: {{container: {container}, image-cache: {cache}, remap-root: true, ");
    fixture.write("runners/h100-a.yaml", &profile.replace("slurm: {", &more));
    fixture.row(|row| row["image"] = json!("nvcr.io/org/engine:1"));
    let path = format!("{}:{}", fixture.path("fake").display(), std::env::var("PATH").unwrap());
    fixture.environment("PATH", &path).environment("HF_TOKEN", "hf_secret")
}

fn assert_measured(fixture: &Fixture) -> String {
    let ended = fixture.run();
    let log = fixture.read("out/server.log");
    assert_eq!(ended.code, Some(0), "{}\n{log}", ended.stderr);
    assert!(
        log.contains("importing docker://nvcr.io#org/engine:1") && log.contains("had\n"),
        "{log}"
    );
    let calls = fixture.read("fake/calls");
    assert!(!calls.contains("hf_secret"), "{calls}");
    calls
}

#[test]
#[ignore = "needs Slurm"]
fn row_is_measured_in_enroot() {
    let calls = assert_measured(&in_container("enroot", "enroot"));
    assert_eq!(calls.lines().count(), 2, "{calls}");
    assert!(calls.contains("enroot start --rw --rc "), "{calls}");
}

#[test]
#[ignore = "needs Slurm"]
fn row_is_measured_in_pyxis_with_one_image_import() {
    let fixture = in_container("pyxis", "srun");
    let calls = assert_measured(&fixture);
    assert!(
        calls.contains("srun --nodes=1 --ntasks=1 --cpu-bind=none --container-image="),
        "{calls}"
    );
    assert!(calls.contains(" --container-remap-root "), "{calls}");
    assert_eq!(fixture.run().code, Some(0));
    let calls = fixture.read("fake/calls");
    assert_eq!(calls.lines().filter(|line| line.starts_with("enroot import")).count(), 1, "{calls}");
}

#[test]
#[ignore = "needs Slurm"]
fn failed_image_import_is_an_infrastructure_failure() {
    let fixture = in_container("pyxis", "srun");
    fixture.write(
        "fake/enroot",
        "#!/bin/sh\necho '[ERROR] URL https://nvcr.io returned error code: 401 Unauthorized' >&2\nexit 1\n",
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(
        fixture.job()["outcome"]["cause"],
        json!("image-import"),
        "{}",
        fixture.job()["outcome"]
    );
    assert!(fixture.read("out/server.log").contains("401 Unauthorized"));
}
