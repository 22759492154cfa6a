//! Output of `imax bench URL`: the plan, the detected settings, a live table, and suggested next commands.

use std::io;
use std::path::PathBuf;

use super::super::output::say;
use super::super::terminal;
use super::live::Live;
use super::load_table::{self, LoadTable};
use super::overview::Overview;
use crate::load::{BenchmarkSettings, Target};
use crate::measure::{BenchEvent, Discovery, ResultFiles, SearchResult, SearchSettings, TokenizerSource};

#[derive(Debug)]
pub struct UrlAloneDisplay {
    quiet: bool,
    server: String,
    table: LoadTable,
    live: Option<Live>,
    load: Option<Box<BenchmarkSettings>>,
    /// Lines already printed: the loads have the same notices.
    printed: Vec<String>,
    pub overview: Overview,
}

impl UrlAloneDisplay {
    /// Prints what will be measured.
    #[must_use]
    pub fn begin(settings: &SearchSettings, quiet: bool) -> Self {
        let first = settings.bench.loads.first();
        let server = first.map_or_else(String::new, |load| {
            load.targets().map(Target::base_url).collect::<Vec<String>>().join(",")
        });
        let lengths = first
            .and_then(|load| load.dataset.random_lengths())
            .map(|lengths| format!("{} input and {} output tokens a request", lengths.input, lengths.output))
            .unwrap_or_default();
        let seconds = first.and_then(|load| load.duration).unwrap_or_default().as_secs();
        say(&format!(
            "measuring {server} for about a minute: {lengths}, {seconds} s at each concurrency from 1 to {}, doubled until the throughput no longer grows",
            settings.limit
        ));
        Self {
            quiet,
            server,
            table: LoadTable::default(),
            live: None,
            load: None,
            printed: Vec::new(),
            overview: Overview::default(),
        }
    }

    pub fn show(&mut self, event: &BenchEvent<'_>) -> io::Result<()> {
        match event {
            BenchEvent::Found(found) => say_found(found),
            BenchEvent::Started(load) => self.load = Some(Box::new((*load).clone())),
            BenchEvent::Progress(progress) => {
                let (quiet, table) = (self.quiet, &self.table);
                let live = self.live.get_or_insert_with(|| Live::text(quiet));
                if let Some(load) = &self.load {
                    let name = format!("concurrency {}: ", load_table::concurrency(load));
                    live.show_text(&name, progress, || table.with_running(load, progress, terminal::stderr_style()));
                }
            }
            BenchEvent::Measured(measured) => {
                self.table.add(measured);
                self.overview.add(measured);
                let notices = measured.notices.iter().map(|notice| format!("note: {notice}"));
                let doubts = measured.doubts.iter().map(|doubt| {
                    let conc = load_table::concurrency(&measured.settings);
                    format!("warning: concurrency {conc} is marked `{}`: {}", doubt.code(), doubt.explanation())
                });
                for line in notices.chain(doubts) {
                    if !self.printed.contains(&line) {
                        self.clear();
                        say(&line);
                        self.printed.push(line);
                    }
                }
                if let (Some(Live::Lines { .. }), Some(line)) = (&self.live, self.table.last_line()) {
                    say(&line);
                }
            }
            BenchEvent::Saved(path) => self.overview.saved(path),
            BenchEvent::Repeated(_) => {}
        }
        Ok(())
    }

    /// Removes the live table from the terminal.
    pub fn clear(&mut self) {
        if let Some(mut live) = self.live.take() {
            live.clear();
        }
    }

    #[must_use]
    pub fn table(&self) -> String {
        self.table.text(terminal::stdout_style())
    }

    /// Suggests next commands: a longer run of the best load, and a benchmark of every change.
    pub fn say_next(&self, result: &SearchResult, files: Option<&ResultFiles>, page: Option<&PathBuf>) {
        if let Some(files) = files {
            say(&format!("wrote {} results to {}", result.tried.len(), files.folder.display()));
        }
        let mut steps = Vec::new();
        if let Some(page) = page {
            steps.push(format!("open {} in a browser", page.display()));
        }
        if let (Some(load), Some(best)) = (&self.load, result.best) {
            steps.push(format!("{}   # the best load, for longer", command(load, &self.server, best)));
        }
        steps.push(format!("imax init --url {}   # the same after every change", quoted(&self.server)));
        say(&format!("next: {}", steps.join("\n      ")));
    }
}

/// Prints the settings that were detected by requests to the server.
pub fn say_found(found: &Discovery) {
    match &found.model {
        Some((model, 1)) => say(&format!("model: {model}")),
        Some((model, number)) => say(&format!("model: {model}, the first of {number}; --model names another")),
        None => {}
    }
    if let Some(backend) = found.backend {
        let protocol = if backend == "openai" { "completions" } else { "chat completions" };
        say(&format!("protocol: {protocol} (--backend {backend})"));
    }
    match &found.tokenizer {
        Some(TokenizerSource::Model(name)) => say(&format!("tokenizer: the model's, {name}")),
        Some(TokenizerSource::Server(url)) => say(&format!("tokenizer: the server's, {url}")),
        Some(TokenizerSource::Nobody { model, server }) => say(&format!(
            "tokenizer: none found; prompts are English words of approximately that length, and tokens are counted by the server ({model}; {server})"
        )),
        None => {}
    }
}

/// The command that measures one load again, with twenty requests per unit of concurrency.
fn command(load: &BenchmarkSettings, server: &str, concurrency: f64) -> String {
    let lengths = load
        .dataset
        .random_lengths()
        .map(|lengths| format!(" --input-len {} --output-len {}", lengths.input, lengths.output))
        .unwrap_or_default();
    let requests = concurrency * 20.0;
    format!(
        "imax bench {} --max-concurrency {concurrency} --num-prompts {requests}{lengths} --ignore-eos --save-result",
        quoted(server)
    )
}

fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}
