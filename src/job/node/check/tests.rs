//! Each check on good and bad nodes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;
use crate::job::{Cache, Disk, Gpu, GpuUse, HubFacts, Leftovers, PortFact, Service};

fn good() -> NodeFacts {
    let gpu = |index| Gpu {
        index,
        name: Some("NVIDIA H100 80GB HBM3".to_owned()),
        driver: Some("570.86.15".to_owned()),
        held_back: Some(Vec::new()),
        memory_used_mib: Some(4.0),
        ..Gpu::default()
    };
    NodeFacts {
        host: "node-0".to_owned(),
        kernel: "6.1".to_owned(),
        gpus: Some(Ok((0..8).map(gpu).collect())),
        uses: Vec::new(),
        toolkit: None,
        disks: vec![Disk {
            what: "results".to_owned(),
            path: "/out".to_owned(),
            free_gib: Ok(100.0),
        }],
        port: Some(PortFact { number: 8888, free: true }),
        hub: HubFacts {
            token: true,
            cache: Some(Cache {
                path: "/data/hf".to_owned(),
                writable: Ok(()),
            }),
        },
        services: vec![Service {
            name: "container engine".to_owned(),
            answer: Ok("27.1".to_owned()),
        }],
        clock_synchronised: Some(true),
        leftovers: Leftovers::default(),
    }
}

fn settings() -> NodeSettings {
    NodeSettings {
        gpu_name: Some("h100".to_owned()),
        driver: Some("570.86".to_owned()),
        ..NodeSettings::default()
    }
}

fn all(facts: &NodeFacts) -> Vec<Finding> {
    let node = settings();
    let wanted = Wanted {
        node: &node,
        gpus: Some(8),
        token: true,
    };
    let mut found = check_node(facts, wanted);
    found.extend(check_idle(facts, wanted));
    found
}

#[test]
fn a_good_node_has_one_finding_a_check() {
    let found = all(&good());
    assert_eq!(worst(&found), Grade::Ok, "{found:?}");
    assert_eq!(found.len(), 13);
}

type Change = fn(&mut NodeFacts);

#[test]
fn problem_is_named_with_its_remedy() {
    let cases: [(Change, NodeCheck, Grade, &str); 16] = [
        (
            |node| node.gpus = Some(Ok(Vec::new())),
            NodeCheck::GpuNumber,
            Grade::Failed,
            "0 GPUs, expected at least 8",
        ),
        (
            |node| node.gpus = Some(Err(GpuProblem::NotInstalled("no nvidia-smi".to_owned()))),
            NodeCheck::GpuNumber,
            Grade::Failed,
            "no nvidia-smi; install it, or take `node.gpu-name`, `node.driver` out",
        ),
        (
            |node| first(node).name = Some("NVIDIA A100".to_owned()),
            NodeCheck::GpuKind,
            Grade::Failed,
            "NVIDIA A100, expected h100",
        ),
        (
            |node| first(node).name = None,
            NodeCheck::GpuKind,
            Grade::Warning,
            "does not say what GPU 0 is, expected h100",
        ),
        (
            |node| first(node).held_back = None,
            NodeCheck::GpuClock,
            Grade::Unknown,
            "unknown whether they are throttled",
        ),
        (
            |node| every(node, |gpu| gpu.driver = Some("550.1".to_owned())),
            NodeCheck::GpuDriver,
            Grade::Failed,
            "at least 570.86",
        ),
        (
            |node| first(node).driver = Some("1".to_owned()),
            NodeCheck::GpuDriver,
            Grade::Unknown,
            "1, 570.86.15",
        ),
        (
            |node| first(node).held_back = Some(vec!["power brake".to_owned()]),
            NodeCheck::GpuClock,
            Grade::Warning,
            "GPU 0: power brake",
        ),
        (
            |node| first(node).memory_used_mib = Some(9000.0),
            NodeCheck::GpuMemory,
            Grade::Failed,
            "GPU 0: 9000 MiB",
        ),
        (
            |node| {
                node.uses.push(GpuUse {
                    gpu: Some(3),
                    pid: 7,
                    name: "python".to_owned(),
                    job: Some("imax-1".to_owned()),
                });
            },
            NodeCheck::GpuIdle,
            Grade::Failed,
            "python (7) on GPU 3 of job imax-1",
        ),
        (
            |node| node.disks[0].free_gib = Ok(0.1),
            NodeCheck::Disk,
            Grade::Failed,
            "results (/out): 0.10 GiB free",
        ),
        (
            |node| node.port = Some(PortFact { number: 1, free: false }),
            NodeCheck::Port,
            Grade::Failed,
            "port 1 is taken",
        ),
        (
            |node| node.hub.token = false,
            NodeCheck::HubToken,
            Grade::Warning,
            "HF_TOKEN is not set",
        ),
        (
            |node| node.services[0].answer = Err("refused".to_owned()),
            NodeCheck::Service,
            Grade::Failed,
            "does not answer: refused",
        ),
        (
            |node| node.clock_synchronised = Some(false),
            NodeCheck::Clock,
            Grade::Warning,
            "not synchronised",
        ),
        (
            |node| {
                node.leftovers = Leftovers {
                    count: 2,
                    example: Some("/w/x".to_owned()),
                };
            },
            NodeCheck::Leftovers,
            Grade::Warning,
            "such as /w/x",
        ),
    ];
    for (change, check, grade, detail) in cases {
        let mut node = good();
        change(&mut node);
        let found = all(&node);
        let finding = found.iter().find(|finding| finding.check == check && finding.grade != Grade::Ok);
        let finding = finding.unwrap_or_else(|| panic!("{check:?}: {found:?}"));
        assert_eq!(finding.grade, grade, "{finding:?}");
        assert!(finding.detail.contains(detail), "{finding:?}");
        let other = found.iter().filter(|other| other.check != check).map(|other| other.grade).max();
        // Without GPUs the other GPU checks do not apply.
        let lonely = check == NodeCheck::GpuNumber;
        assert!(lonely || other == Some(Grade::Ok), "{found:?}");
    }
}

fn first(node: &mut NodeFacts) -> &mut Gpu {
    &mut node.gpus.as_mut().unwrap().as_mut().unwrap()[0]
}

fn every(node: &mut NodeFacts, change: fn(&mut Gpu)) {
    node.gpus.as_mut().unwrap().as_mut().unwrap().iter_mut().for_each(change);
}

#[test]
fn missing_tool_is_a_warning_unless_required_and_a_failing_one_is_an_error() {
    let node = NodeSettings::default();
    let wanted = Wanted {
        node: &node,
        gpus: Some(8),
        token: true,
    };
    let problem = || "GPU is lost".to_owned();
    for (problem, grade, idle) in [
        (GpuProblem::NotInstalled(problem()), Grade::Warning, Grade::Ok),
        (GpuProblem::Failed(problem()), Grade::Failed, Grade::Failed),
    ] {
        let node = NodeFacts {
            gpus: Some(Err(problem)),
            ..good()
        };
        assert_eq!(worst(&check_node(&node, wanted)), grade);
        assert_eq!(worst(&check_idle(&node, wanted)), idle);
    }
}

#[test]
fn node_without_gpus_has_no_gpu_checks() {
    let node = NodeFacts { gpus: None, ..good() };
    let found = all(&node);
    assert_eq!(worst(&found), Grade::Ok, "{found:?}");
    assert_eq!(found.len(), 7);
}
