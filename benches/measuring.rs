//! What a chunk costs the client: the SSE parser, the parsing of one exchange, the metrics of a run, and the whole driver against
//! a server that answers at once. Run with `cargo bench --bench measuring`.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should panic, and nobody imports it"
)]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imax::testing::Cancellation;
use imax::testing::ChunkMark;
use imax::testing::{Asked, Exchange};
use imax::testing::{Balance, Drive, KernelClock};
use imax::testing::{Deadlines, Metrics, Plan, PreparedRequest, Protocol, Record, Schedule, Shard, Stamp, Target, chunk, sse};

/// A chunk as vLLM sends it, with usage, about 300 bytes.
fn event(tokens: u32) -> String {
    format!(
        "data: {{\"id\":\"cmpl-5f0c6a1b2e3d4c5f\",\"object\":\"text_completion\",\"created\":1763800000,\"model\":\"org/some-model-70b\",\
         \"choices\":[{{\"index\":0,\"text\":\" token\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null}}],\
         \"usage\":{{\"prompt_tokens\":1024,\"total_tokens\":{},\"completion_tokens\":{tokens}}}}}\n\n",
        1024 + tokens
    )
}

fn framed(events: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for token in 1..=events {
        let event = event(token);
        bytes.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    bytes
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn asked() -> Asked {
    Asked {
        server: 0,
        index: 0,
        prompt_tokens: 1024,
        output_tokens: 1000,
        keep_texts: false,
        keep_answer: false,
    }
}

fn sse_parser(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sse");
    let stream: String = (1..=1000).map(event).collect();
    for piece in [200, 10_000] {
        group.throughput(Throughput::Elements(1000));
        group.bench_with_input(BenchmarkId::new("events in reads of", piece), &piece, |bencher, piece| {
            bencher.iter(|| {
                let mut parser = sse::Parser::default();
                let mut count = 0_u32;
                for read in stream.as_bytes().chunks(*piece) {
                    parser.feed(black_box(read), |_| count += 1).unwrap();
                }
                count
            });
        });
    }
    for megabytes in [1, 4] {
        let line = format!("data: {}\n\n", "z".repeat(megabytes << 20));
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::new("one line of MB", megabytes), &line, |bencher, line| {
            bencher.iter(|| {
                let mut parser = sse::Parser::default();
                let mut length = 0;
                for read in line.as_bytes().chunks(16 << 10) {
                    parser.feed(black_box(read), |message| length = message.data.len()).unwrap();
                }
                length
            });
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk");
    let data = event(7);
    let data = data.trim_start_matches("data: ").trim().as_bytes().to_vec();
    group.throughput(Throughput::Elements(1));
    group.bench_function("by type", |bencher| bencher.iter(|| chunk::read(black_box(&data))));
    let mut reader = chunk::Reader::default();
    group.bench_function("of a stream", |bencher| bencher.iter(|| reader.read_event(b"", black_box(&data))));
    let bytes = framed(1000);
    let one = bytes.len() / 1000;
    for (name, piece) in [("a read each", one), ("32 in a read", 32 * one)] {
        group.throughput(Throughput::Elements(1000));
        group.bench_function(BenchmarkId::new("exchange", name), |bencher| {
            bencher.iter(|| {
                let mut exchange = Exchange::new(asked(), Stamp::default(), Stamp::default(), None);
                exchange.receive(HEAD, Stamp::from_unix_nanos(1));
                for (read, at) in bytes.chunks(piece).zip(2..) {
                    exchange.receive(black_box(read), Stamp::from_unix_nanos(at));
                }
                exchange.tokens_so_far()
            });
        });
    }
    group.finish();
}

fn metrics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metrics");
    for requests in [1_000_u32, 10_000] {
        let records: Vec<Record> = (0..requests)
            .map(|index| Record {
                index,
                first_token: Some(Stamp::from_unix_nanos(50_000_000)),
                first_tokens: Some(1),
                last_token: Some(Stamp::from_unix_nanos(2_040_000_000)),
                marks: vec![ChunkMark::new(Duration::from_millis(10), Some(1)); 199],
                reported_output_tokens: Some(200),
                asked_tokens: 200,
                streamed: true,
                ..Record::default()
            })
            .collect();
        group.throughput(Throughput::Elements(u64::from(requests) * 200));
        group.bench_with_input(BenchmarkId::new("tokens of requests", requests), &records, |bencher, records| {
            bencher.iter(|| Metrics::of(black_box(records), None).itl_ms.len());
        });
    }
    group.finish();
}

/// Answers every request of a connection at once with the same stream.
fn serve(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut socket = socket.unwrap();
                let mut reader = BufReader::new(socket.try_clone().unwrap());
                let mut line = String::new();
                let mut length = 0;
                while reader.read_line(&mut line).unwrap_or(0) > 0 {
                    if let Some(value) = line.strip_prefix("Content-Length: ") {
                        length = value.trim().parse().unwrap();
                    }
                    if line == "\r\n" && (reader.read_exact(&mut vec![0; length]).is_err() || socket.write_all(&answer).is_err()) {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    port
}

fn driver(criterion: &mut Criterion) {
    const CHUNKS: u32 = 1000;
    let answer = [HEAD, &framed(CHUNKS), b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"].concat();
    let target = Target {
        unix_socket: None,
        proxy: None,
        host: "127.0.0.1".to_owned(),
        port: serve(answer),
        tls: false,
        base_path: String::new(),
        path: "/v1/completions".to_owned(),
        protocol: Protocol::Completions,
    };
    let kernel_clock = KernelClock::switch_on();
    let mut group = criterion.benchmark_group("driver");
    group.sample_size(10);
    for streams in [1_u32, 16] {
        let requests = 32;
        let request = PreparedRequest {
            bytes: b"Content-Length: 2\r\n\r\n{}".to_vec().into_boxed_slice(),
            prompt_tokens: 1,
            output_tokens: CHUNKS,
        };
        let plan = Plan {
            requests: vec![request; requests],
            schedule: Schedule::Closed,
            shard: Shard::WHOLE,
            max_concurrency: NonZeroU32::new(streams).unwrap(),
            keep_texts: false,
            dialogues: None,
            duration: None,
        };
        let drive = Drive {
            targets: std::slice::from_ref(&target),
            balance: Balance::RoundRobin,
            tls: None,
            kernel_clock: &kernel_clock,
            deadlines: Deadlines::default(),
            threads: NonZeroU32::new(1),
            warming_up: false,
            tokenizer: None,
            keep_chunks: false,
            start_at: None,
        };
        group.throughput(Throughput::Elements(u64::from(CHUNKS) * requests as u64));
        group.bench_with_input(BenchmarkId::new("chunks over streams", streams), &plan, |bencher, plan| {
            bencher.iter(|| {
                let run = drive.run(plan, &Cancellation::new(), &mut |_| {}).unwrap();
                assert!(run.records.iter().all(Record::is_success));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sse_parser, parsing, metrics, driver);
criterion_main!(benches);
