//! Damaged goldens for every parser of bytes from outside: no panic, no input that takes long or needs much memory.
//!
//! A run of `cargo test` does a few executions with a fixed seed. `.ci/fuzz` builds with optimisation, takes a new seed and runs longer:
//! `IMAX_FUZZ_SECONDS` is the time for each parser, `IMAX_FUZZ_SEED` the seed, `IMAX_FUZZ_PARSERS` names parsers,
//! `IMAX_FUZZ_LAST` a file for the input under way. An input that fails is
//! shortened and kept in `target/fuzz`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should panic, and its table is for people"
)]

mod damage;
mod execution;
mod seeds;

use std::time::{Duration, Instant};

use imax::testing::parsers::{PARSERS, Parser};
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use damage::{Damaged, damaged};
use execution::{Execution, execute};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// CPU time of one execution. Without optimisation it takes about ten times as long.
const LONGEST: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(10)
} else {
    Duration::from_secs(1)
};
/// Memory of one execution, bytes.
const MOST_MEMORY: usize = 200 << 20;
/// Executions of each parser in a run without `IMAX_FUZZ_SECONDS`.
const FEW: u64 = 60;
/// Steps to shorten an input that failed.
const SHORTENING: usize = 2_000;

/// When to go on to the next parser.
enum Budget {
    Executions(u64),
    Time(Duration),
}

impl Budget {
    fn from_environment() -> Self {
        match std::env::var("IMAX_FUZZ_SECONDS") {
            Ok(seconds) => Self::Time(Duration::from_secs_f64(
                seconds.parse().expect("IMAX_FUZZ_SECONDS: expected seconds"),
            )),
            Err(_) => Self::Executions(FEW),
        }
    }

    fn is_spent(&self, executions: u64, since: Instant) -> bool {
        match self {
            Self::Executions(most) => executions >= *most,
            Self::Time(time) => since.elapsed() >= *time,
        }
    }
}

/// What the executions of a parser needed.
#[derive(Default)]
struct Report {
    executions: u64,
    slowest: Duration,
    largest: usize,
    failures: Vec<String>,
}

impl Report {
    fn add(&mut self, execution: &Execution) {
        self.executions += 1;
        self.slowest = self.slowest.max(execution.time);
        self.largest = self.largest.max(execution.memory);
    }
}

/// The stack of the threads of the program. Frames of an unoptimised build are several times as large.
const STACK: usize = if cfg!(debug_assertions) { 32 << 20 } else { 2 << 20 };

#[test]
fn parsers_bear_damaged_files() {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(fuzz_all).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn fuzz_all() {
    execution::hide_panics();
    let seed: u64 = std::env::var("IMAX_FUZZ_SEED").map_or(1, |seed| seed.parse().expect("IMAX_FUZZ_SEED: expected a number"));
    let wanted = std::env::var("IMAX_FUZZ_PARSERS").unwrap_or_default();
    let budget = Budget::from_environment();
    let mut all = Report::default();
    eprintln!(
        "seed {seed}\n{:<20} {:>10} {:>8} {:>11} {:>10}",
        "parser", "executions", "failures", "slowest ms", "largest MB"
    );
    for parser in PARSERS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.split(',').any(|one| one == *name))
    {
        let report = fuzz(parser, seed, &budget);
        print(parser.0, &report);
        all.executions += report.executions;
        all.slowest = all.slowest.max(report.slowest);
        all.largest = all.largest.max(report.largest);
        all.failures.extend(report.failures);
    }
    print("all", &all);
    assert!(all.failures.is_empty(), "{}", all.failures.join("\n"));
}

fn print(name: &str, report: &Report) {
    let Report {
        executions,
        slowest,
        largest,
        failures,
    } = report;
    let (ms, mb) = (slowest.as_secs_f64() * 1e3, largest >> 20);
    eprintln!("{name:<20} {executions:>10} {:>8} {ms:>11.1} {mb:>10}", failures.len());
}

fn fuzz(parser: &Parser, seed: u64, budget: &Budget) -> Report {
    let (name, _) = *parser;
    let seeds = seeds::of_parser(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut report = Report::default();
    // The goldens themselves come first.
    for bytes in &seeds {
        note(parser, &mut report, bytes);
    }
    let mut bytes_of_seed = [0; 32];
    bytes_of_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes_of_seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = damaged(seeds.len());
    let since = Instant::now();
    while !budget.is_spent(report.executions, since) {
        let mut input = strategy.new_tree(&mut runner).unwrap();
        let execution = execute(parser, &input.current().bytes(&seeds));
        report.add(&execution);
        if execution.problem(LONGEST, MOST_MEMORY).is_some() {
            shorten(parser, &mut input, &seeds);
            note(parser, &mut report, &input.current().bytes(&seeds));
            if report.failures.len() >= 5 {
                break;
            }
        }
    }
    report
}

fn note(parser: &Parser, report: &mut Report, bytes: &[u8]) {
    let execution = execute(parser, bytes);
    report.add(&execution);
    if let Some(problem) = execution.problem(LONGEST, MOST_MEMORY) {
        let file = execution::keep(parser.0, bytes);
        report.failures.push(format!("{}: {problem}: {}", parser.0, file.display()));
    }
}

/// Fewer and smaller damages with which the parser still fails.
fn shorten(parser: &Parser, input: &mut impl ValueTree<Value = Damaged>, seeds: &[Vec<u8>]) {
    for _ in 0..SHORTENING {
        let fails = execute(parser, &input.current().bytes(seeds))
            .problem(LONGEST, MOST_MEMORY)
            .is_some();
        let moved = if fails { input.simplify() } else { input.complicate() };
        if !moved {
            break;
        }
    }
}
