//! Where the time of planning goes, on configs of the size that InferenceX-style repositories have (208 entries) and ten
//! times that: reading, expanding, marking evaluations. Run with `cargo bench --bench planning`.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark that cannot go on should panic, and nobody imports it"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imax::testing::Catalog;
use imax::testing::SourceFile;
use imax::testing::{FullSweep, full_sweep};

const ENTRIES: [usize; 2] = [208, 2_080];

/// Configs with the usual shape: two lengths, four parallelisms, a range and a list of concurrencies.
fn configs(entries: usize) -> String {
    let mut text = String::new();
    for at in 0..entries {
        write!(
            text,
            "model{at}-fp8-h200-sglang:
  image: example/engine:v{at}
  model: org/model-{at}
  model-prefix: model{at}
  runner: h200
  precision: fp8
  framework: sglang
  multinode: false
  scenarios:
    fixed-seq-len:
    - isl: 1024
      osl: 1024
      search-space:
      - {{ tp: 8, conc-start: 4, conc-end: 64 }}
      - {{ tp: 4, ep: 4, dp-attn: true, conc-list: [16, 32] }}
    - isl: 8192
      osl: 1024
      search-space:
      - {{ tp: 8, ep: 8, conc-start: 4, conc-end: 64, spec-decoding: mtp }}
      - {{ tp: 4, conc-list: [4, 8, 256] }}
"
        )
        .expect("a string takes everything");
    }
    text
}

fn catalog(text: &str, runners: &Arc<SourceFile>) -> Catalog {
    let (catalog, _) = Catalog::parse(&[SourceFile::new("bench-master.yaml", text)], runners).expect("valid configs");
    catalog
}

fn planning(criterion: &mut Criterion) {
    let runners = SourceFile::new("runners.yaml", "labels:\n  h200:\n    - h200-a_0\n");
    let mut group = criterion.benchmark_group("planning");
    for entries in ENTRIES {
        let text = configs(entries);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", entries), &text, |bencher, text| {
            bencher.iter(|| catalog(black_box(text), &runners));
        });
        let parsed = catalog(&text, &runners);
        group.bench_with_input(BenchmarkId::new("full-sweep", entries), &parsed, |bencher, parsed| {
            bencher.iter(|| full_sweep(black_box(parsed), &FullSweep::default(), None).expect("rows"));
        });
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
