//! What profiles say, inherit and get wrong.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

use super::*;

fn load(name: &str, files: &[(&str, &str)]) -> Result<RunnerProfile, ProfileError> {
    let read = |path: &str| files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned());
    RunnerProfile::load(name, "runners", &read)
}

#[test]
fn a_profile_inherits_key_by_key() {
    let base = "launcher: docker\nvendor: nvidia\nenvironment: {A: '1', B: '1'}\ndeadlines: {ready: 1h, load: 2h}\ndocker: {gpus: true, shm-size-mib: 64}\n";
    let child = "extends: base\nenvironment: {B: '2'}\ndeadlines: {ready: 90s}\ndocker: {mounts: ['/data:/mnt/data:ro']}\n";
    let profile = load("h100-a", &[("base.yaml", base), ("h100-a.yaml", child)]).unwrap();
    assert_eq!((profile.name.as_str(), profile.vendor), ("h100-a", GpuVendor::Nvidia));
    assert_eq!(
        profile.environment,
        BTreeMap::from([("A", "1"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())))
    );
    assert_eq!(
        (profile.deadlines.ready, profile.deadlines.load),
        (PhaseTime::seconds(90), PhaseTime::seconds(7200))
    );
    let LaunchSettings::Docker(docker) = profile.launch else {
        panic!("{:?}", profile.launch)
    };
    assert_eq!(
        (&docker.gpus, docker.shm_size_mib, docker.privileged),
        (&GpuRequest::All, Some(64), false)
    );
    assert!(docker.mounts[0].read_only);
}

#[test]
fn of_two_keys_that_exclude_each_other_a_profile_inherits_none_where_it_has_one() {
    let base = "launcher: docker\nvendor: nvidia\ndocker: {gpus: true, host-network: true}\n";
    let child = "extends: base\ndocker: {gpu-ids: [0, 1], network: bench}\n";
    let profile = load("h100-a", &[("base.yaml", base), ("h100-a.yaml", child)]).unwrap();
    let LaunchSettings::Docker(docker) = profile.launch else {
        panic!("{:?}", profile.launch)
    };
    assert!(matches!(docker.gpus, GpuRequest::Ids(_)), "{:?}", docker.gpus);
    assert!(matches!(docker.network, ContainerNetwork::Named(_)), "{:?}", docker.network);
}

#[test]
fn ids_of_gpus_are_numbers_or_names_and_go_before_the_environments_choice() {
    let profile = |text: &str| load("p", &[("p.yaml", text)]).unwrap();
    let variable = |name: &str| (name == "CUDA_VISIBLE_DEVICES").then(|| "0,1".to_owned());
    let some = profile("launcher: docker\nvendor: nvidia\ndocker: {gpu-ids: [4, '5', GPU-6f]}\n");
    assert_eq!(some.visible_choice(&variable).as_deref(), Some("4,5,GPU-6f"));
    let all = profile("launcher: docker\nvendor: nvidia\ndocker: {gpus: true}\n");
    assert_eq!(all.visible_choice(&variable).as_deref(), Some("0,1"));
}

#[test]
fn a_launch_script_is_a_profile() {
    let profile = load("h200-x", &[("launch_h200-x.sh", "#!/bin/bash")]).unwrap();
    assert_eq!(
        profile.launch,
        LaunchSettings::Script {
            path: "launch_h200-x.sh".to_owned()
        }
    );
}

#[test]
fn says_what_is_wrong() {
    for (text, message) in [
        ("launcher: local\nlauncer: x\n", "launcer"),
        ("launcher: kubernetes\n", "kubernetes"),
        ("vendor: amd\n", "expected local, script, docker or slurm"),
        ("launcher: local\ndeadlines: {ready: 90}\n", "90"),
        ("launcher: docker\ndocker: {mounts: [a]}\n", "`docker.mounts: a`"),
        ("launcher: docker\ndocker: {gpus: true, gpu-ids: [0, 1]}\n", "one of both"),
        (
            "launcher: docker\ndocker: {host-network: true, network: fleet}\n",
            "exclude each other",
        ),
        ("launcher: docker\ndocker: {network: none}\n", "`docker.network: none`"),
        ("launcher: docker\ndocker: {runtime: ''}\n", "such as nvidia"),
        ("launcher: docker\ndocker: {memory-mib: 0}\n", "0"),
        ("launcher: docker\ndocker: {cpuset: 7-0}\n", "such as 0-15,32-47"),
        ("launcher: docker\ndocker: {tmpfs: [scratch]}\n", "`docker.tmpfs: scratch`"),
        ("launcher: docker\ndocker: {pull: never}\n", "never"),
        ("launcher: slurm\nslurm: {container: x}\n", "expected none, pyxis or enroot"),
        ("launcher: slurm\nslurm: {container: enroot}\n", "`slurm.image-cache: `"),
        ("launcher: slurm\nslurm: {partition: 'a b'}\n", "one word"),
        ("launcher: slurm\nslurm: {gpus-option: --exclusive}\n", "--gres=gpu:{gpus}"),
        (
            "launcher: slurm\nslurm: {extra-options: [--job-name=x]}\n",
            "imax does not set itself",
        ),
        ("launcher: slurm\nslurm: {extra-options: [-Jx]}\n", "imax does not set itself"),
        ("launcher: slurm\nslurm: {extra-options: [mem=0]}\n", "such as --mem=0"),
        ("launcher: slurm\nslurm: {image-cache: images}\n", "an absolute path"),
        ("launcher: slurm\nslurm: {gpus-per-node: 0}\n", "a whole number from 1"),
        ("launcher: slurm\nslurm: {time-limit: 0s}\n", "a time over 0"),
        ("launcher: local\nload: {random-range-ratio: 1.5}\n", "up to 1"),
        ("launcher: local\nretries: {attempts: 0}\n", "`retries.attempts: 0`"),
        ("launcher: local\nretries: {backoff: 0.5}\n", "`retries.backoff: 0.5`"),
        ("launcher: local\nhealth-path: health\n", "such as /health"),
        ("extends: p\n", "p -> p"),
        ("extends: ../x\n", "cannot name a runner profile"),
        ("extends: gone\n", "no runner profile gone"),
    ] {
        let error = load("p", &[("p.yaml", text)]).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    assert!(matches!(load("q", &[]), Err(ProfileError::Missing { .. })));
}
