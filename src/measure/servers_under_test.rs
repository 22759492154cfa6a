//! All servers of a load together: each is probed, asked for its metrics and controlled; warm-up and load are spread over them.

use std::num::NonZeroU32;
use std::time::Instant;

use super::measurement::{MeasureError, plan_of};
use super::server_tokenizer::ServerTokenizer;
use super::server_under_test::{ProfilerSwitch, ServerUnderTest, unmeasured};
use crate::load::measured::Run;
use crate::load::prompt::RandomPrompts;
use crate::load::{BenchmarkSettings, Notice, Progress, Schedule, Target, TokenizerError, request, server_process};
use crate::measure::load_driver::Drive;
use crate::system::cancellation::Cancellation;

/// The servers, as the settings describe them; at least one.
pub(super) struct ServersUnderTest {
    settings: BenchmarkSettings,
    targets: Vec<Target>,
    first: ServerUnderTest,
    further: Vec<ServerUnderTest>,
}

impl ServersUnderTest {
    pub fn new(settings: &BenchmarkSettings) -> Result<Self, MeasureError> {
        let further = (1..settings.server_count()).map(|number| ServerUnderTest::new(settings.of_server(number)));
        Ok(Self {
            targets: settings.targets().cloned().collect(),
            first: ServerUnderTest::new(settings.of_server(0))?,
            further: further.collect::<Result<_, _>>()?,
            settings: settings.clone(),
        })
    }

    /// The settings, adapted to the servers by the probes.
    pub fn settings(&self) -> &BenchmarkSettings {
        &self.settings
    }

    /// The servers in the order of their numbers.
    pub fn each(&self) -> impl Iterator<Item = &ServerUnderTest> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// The tokenizer of the first server, if it lends one: all have the same model.
    pub fn tokenizer(&self, stop: &Cancellation) -> Result<ServerTokenizer, TokenizerError> {
        self.first.tokenizer(stop)
    }

    pub fn drive(&self, warming_up: bool) -> Drive<'_> {
        Drive {
            targets: &self.targets,
            balance: self.settings.balance,
            // Another server may be the only one with TLS.
            tls: self.each().find_map(ServerUnderTest::tls),
            threads: self.settings.client_threads,
            ..self.first.drive(warming_up)
        }
    }

    /// Probes each server until it answers, for as long as the settings allow for all of them. A key that one of them refuses is omitted
    /// in the requests to all, because any may get any request.
    pub fn await_ready(&mut self, maker: Option<&RandomPrompts<'_>>, stop: &Cancellation) -> Result<Vec<Notice>, MeasureError> {
        let deadline = Instant::now() + self.settings.ready_timeout;
        let mut notices = Vec::new();
        let mut omitted_keys = self.settings.omitted_keys.clone();
        for server in std::iter::once(&mut self.first).chain(&mut self.further) {
            server.omit_keys(omitted_keys);
            let found = server.await_ready(deadline, maker, stop)?;
            omitted_keys = server.settings().omitted_keys.clone();
            for notice in found {
                if !notices.contains(&notice) {
                    notices.push(notice);
                }
            }
        }
        self.targets = self.each().map(|server| server.settings().target.clone()).collect();
        self.settings.target = self.first.settings().target.clone();
        self.settings.further_targets = self.further.iter().map(|server| server.settings().target.clone()).collect();
        self.settings.omitted_keys = omitted_keys;
        Ok(notices)
    }

    /// Sends the warm-up requests, spread over the servers as those of the load.
    pub fn warm_up(
        &self,
        maker: Option<&RandomPrompts<'_>>,
        cancellation: &Cancellation,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), MeasureError> {
        let shard = self.settings.shard;
        let Some(count) = NonZeroU32::new(shard.part_of(self.settings.num_warmups)) else {
            return Ok(());
        };
        let mut requests = Vec::new();
        for index in (0..count.get())
            .map(|own| shard.item(own))
            .take_while(|_| !cancellation.is_cancelled())
        {
            requests.push(request::prepare(&self.settings, index, &unmeasured(maker, 1 + u64::from(index))?));
        }
        if cancellation.is_cancelled() {
            return Ok(());
        }
        let plan = plan_of(&self.settings, requests, Schedule::Closed);
        self.drive(true).run(&plan, cancellation, progress)?;
        Ok(())
    }

    /// Starts the profiler of each server, if requested, or of none.
    pub fn start_profilers(&self, cancellation: &Cancellation) -> Result<(), MeasureError> {
        let started = self
            .each()
            .try_for_each(|server| server.switch_profiler(ProfilerSwitch::Start, cancellation));
        if started.is_err() {
            let _ = self.stop_profilers(cancellation);
        }
        started
    }

    /// Stops the profiler of each server, if requested, also behind one that fails.
    pub fn stop_profilers(&self, cancellation: &Cancellation) -> Result<(), MeasureError> {
        let stopped: Vec<_> = self
            .each()
            .map(|server| server.switch_profiler(ProfilerSwitch::Stop, cancellation))
            .collect();
        stopped.into_iter().collect()
    }

    /// Empties the prefix cache of each server, if requested.
    pub fn reset_prefix_caches(&self, cancellation: &Cancellation) -> Result<(), MeasureError> {
        self.each().try_for_each(|server| server.reset_prefix_cache(cancellation))
    }

    /// The page of metrics of each server that has one.
    pub fn metrics_pages(&self, cancellation: &Cancellation) -> Vec<Option<String>> {
        self.each().map(|server| server.metrics_page(cancellation)).collect()
    }

    /// Numbers of the servers whose process was started during the run, by their metrics before and after it.
    pub fn restarted(&self, run: &Run, before: &[Option<String>], cancellation: &Cancellation) -> Vec<usize> {
        let after = self.metrics_pages(cancellation);
        let starts = before.iter().map(start_time).zip(after.iter().map(start_time)).enumerate();
        let restarted = starts.filter(|(_, (before, after))| server_process::has_started_during(run, *before, *after));
        restarted.map(|(number, _)| number).collect()
    }
}

/// When the server behind a page of metrics says that it started.
fn start_time(page: &Option<String>) -> Option<f64> {
    server_process::start_time(page.as_deref()?)
}
