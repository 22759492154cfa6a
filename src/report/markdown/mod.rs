//! The report as GitHub's markdown: for the job summary, and for the comment on a pull request. Both are put together from
//! sections, the most important first; what does not fit is left out from the end, and the text says so.

mod section;

use super::columns::Column;
use super::links::Links;
use super::replays;
use super::sentences;
use super::verdicts::VerdictList;
use super::view::{Cell, Group, Mark, View};
use crate::model::{Layout, Metric, SpecDecoding, Workload, escape_markdown};
use crate::result::Point;
use section::{Section, fit, unbroken};

/// How long a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes.
    pub bytes: usize,
    /// The most points in each list: the worst, the best, the failed ones.
    pub listed: usize,
    /// Where readers find what was left out.
    pub rest: &'static str,
}

impl Budget {
    /// A comment: GitHub's limit is 65,536 characters, and a text never has fewer bytes than characters.
    pub const COMMENT: Self = Self {
        bytes: 65_536,
        listed: 8,
        rest: "see the job summary and the report artifact",
    };
    /// A check run's summary: GitHub's limit is 65,535 characters.
    pub const CHECK: Self = Self {
        bytes: 65_535,
        listed: 50,
        rest: "see the job summary and the report artifact",
    };
    /// The summary of a step: GitHub's limit is 1 MiB, some of which is left for other output of the step.
    pub const SUMMARY: Self = Self {
        bytes: 1_000_000,
        listed: 100,
        rest: "see the report artifact",
    };
    pub const FILE: Self = Self {
        bytes: usize::MAX,
        listed: usize::MAX,
        rest: "",
    };
}

/// The report with every table open.
#[must_use]
pub fn summary(view: &View, budget: Budget) -> String {
    text(
        view,
        budget,
        &Style {
            folded: false,
            links: None,
            closing: "",
        },
    )
}

/// The report with everything but the verdict and the largest changes folded. `marker` is a hidden last line by which the comment is
/// found again, see [`crate::github`].
#[must_use]
pub fn comment(view: &View, links: &Links, marker: &str, budget: Budget) -> String {
    text(
        view,
        budget,
        &Style {
            folded: true,
            links: Some(links),
            closing: marker,
        },
    )
}

/// The differences between summary and comment.
struct Style<'a> {
    folded: bool,
    links: Option<&'a Links>,
    closing: &'a str,
}

fn text(view: &View, budget: Budget, style: &Style) -> String {
    let opening = unbroken(&opening(view));
    let columns = view.columns();
    let mut sections = Vec::new();
    sections.extend(style.links.map(|links| Section::new(&links.markdown())));
    sections.extend(answers(view));
    sections.extend(failures(view, style.links, budget.listed));
    sections.extend(view.verdicts().iter().map(|list| changes(list, budget.listed)));
    sections.extend(view.scores().markdown(budget.listed).as_deref().map(Section::new));
    sections.extend(view.groups.iter().map(|group| table(group, &columns, style.folded)));
    sections.extend(replays::markdown(view, budget.listed).map(|text| Section::droppable(&text, "replayed sessions".to_owned())));
    sections.extend(reproduction(view));
    sections.extend(problems(view, budget.listed));
    fit(&opening, sections, style.closing, budget)
}

/// The verdict in the first line, then the names of head and base.
fn opening(view: &View) -> String {
    let mut text = format!("### {} {}\n", sign(view.mark()), view.headline());
    if let Some(comparison) = view.comparison {
        text.push_str(&format!(
            "\n{} compared with {}",
            escape_markdown(&comparison.head),
            escape_markdown(&comparison.base)
        ));
        let overall = Metric::JUDGED
            .iter()
            .filter_map(|metric| Some((*metric, comparison.overall(*metric)?)));
        let overall: Vec<String> = overall
            .map(|(metric, change)| sentences::overall(metric, change, sentences::throughput_unit_of(comparison)))
            .collect();
        if !overall.is_empty() {
            text.push_str(&format!("; over all points {}", overall.join(", ")));
        }
        let basis = sentences::basis(comparison);
        if !basis.is_empty() {
            text.push_str(&format!("; {basis}"));
        }
        text.push_str(".\n");
        for rule in &comparison.rules {
            text.push_str(&format!("\n> {}\n", escape_markdown(rule)));
        }
    }
    text
}

/// A mark as an emoji, which has a colour everywhere.
pub(super) fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "🟢",
        Mark::Bad => "🔴",
        Mark::Unsure => "🟡",
        Mark::Neutral => "⚪",
    }
}

/// The sign after a changed number; empty without a change.
pub(super) fn small_sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good | Mark::Bad | Mark::Unsure => sign(mark),
        Mark::Neutral => "",
    }
}

fn changes(list: &VerdictList, listed: usize) -> Section {
    let mut text = format!("\n**{}**\n\n| {} | Change |\n| --- | --- |\n", list.title, list.subject);
    for line in list.lines.iter().take(listed) {
        let note = line
            .note
            .as_deref()
            .map_or_else(String::new, |note| format!("; {}", escape_markdown(&shortened(note))));
        text.push_str(&format!(
            "| {} | {} {}{note} |\n",
            escape_markdown(&line.what),
            sign(line.mark),
            line.detail
        ));
    }
    Section::new(&(text + &and_more(list.lines.len(), listed)))
}

fn and_more(all: usize, listed: usize) -> String {
    match all.saturating_sub(listed) {
        0 => String::new(),
        more => format!("\nand {more} more.\n"),
    }
}

/// Answers to the questions of the command line, and notes about missing data.
fn answers(view: &View) -> Option<Section> {
    let lines = view.answers.iter().chain(&view.cost_notes);
    let text: String = lines.map(|line| format!("\n{}\n", escape_markdown(line))).collect();
    (!text.is_empty()).then(|| Section::new(&text))
}

fn failures(view: &View, links: Option<&Links>, listed: usize) -> Option<Section> {
    let failures: Vec<_> = view.run.failures().collect();
    if failures.is_empty() {
        return None;
    }
    let mut text = String::from("\n**Failed**\n\n| Point | Class | Reason |\n| --- | --- | --- |\n");
    for (point, failure) in failures.iter().take(listed) {
        let reason = shortened(&failure.reason);
        let reason = links.map_or_else(|| escape_markdown(&reason), |links| links.about(&point.key, &reason));
        text.push_str(&format!(
            "| {} | {} | {reason} |\n",
            escape_markdown(&point.key.to_string()),
            failure.class.as_str()
        ));
    }
    Some(Section::new(&(text + &and_more(failures.len(), listed))))
}

/// The most characters of a reason. A reason is one sentence; of a quoted log the beginning is enough.
fn shortened(reason: &str) -> String {
    const LONGEST: usize = 300;
    match reason.char_indices().nth(LONGEST) {
        None => reason.to_owned(),
        Some((end, _)) => format!("{}…", &reason[..end]),
    }
}

/// The command that measures a point again: the worst one, else the first. A point of several nodes has no such command.
fn reproduction(view: &View) -> Option<Section> {
    let worst = view.losses().first().map(|point| &point.point);
    let points: Vec<&Point> = view.groups.iter().flat_map(|group| &group.rows).map(|row| row.point).collect();
    let point = points.iter().find(|point| Some(&point.key) == worst).or_else(|| points.first())?;
    let command = run_command(point)?;
    Some(Section::new(&format!(
        "\n<details><summary>Reproduce a point</summary>\n\n{}, on a runner of that hardware, with the repository's recipes:\n\n```sh\n{command}\n```\n\n</details>\n",
        escape_markdown(&point.key.to_string())
    )))
}

fn run_command(point: &Point) -> Option<String> {
    let curve = &point.key.curve;
    let (Layout::SingleNode(parallelism), Workload::FixedSeqLen(lens), Some(model)) = (&point.layout, curve.workload, &point.model) else {
        return None;
    };
    let others = [
        parallelism.pp,
        parallelism.dcp_size,
        parallelism.pcp_size,
        parallelism.ep,
        parallelism.dp_size,
    ];
    // The flags have TP alone.
    let is_plain = !parallelism.dp_attn && others.iter().all(|size| size.get() == 1);
    let [tp, conc, isl, osl] = [
        parallelism.tp.to_string(),
        point.key.conc.to_string(),
        lens.isl.to_string(),
        lens.osl.to_string(),
    ];
    let words = [
        "imax",
        "run",
        "--model",
        model,
        "--model-prefix",
        curve.model_prefix.as_str(),
        "--hardware",
        curve.runner.as_str(),
        "--framework",
        curve.framework.as_str(),
        "--precision",
        curve.precision.as_str(),
        "--image",
        point.image.as_deref().unwrap_or("none"),
        "--tp",
        &tp,
        "--conc",
        &conc,
        "--input-len",
        &isl,
        "--output-len",
        &osl,
    ];
    // Names of results are text from outside, and this one is meant to be pasted into a shell.
    (is_plain && curve.spec_decoding == SpecDecoding::None && words.iter().all(|word| is_safe(word))).then(|| words.join(" "))
}

/// Whether a shell takes a word as it is.
fn is_safe(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+".contains(c)) && !word.is_empty()
}

fn problems(view: &View, listed: usize) -> Option<Section> {
    let problems = &view.run.problems;
    if problems.is_empty() {
        return None;
    }
    let mut text = String::from("\n**Notes**\n\n");
    for problem in problems.iter().take(listed) {
        text.push_str(&format!("- {}\n", escape_markdown(&shortened(&problem.to_string()))));
    }
    Some(Section::new(&(text + &and_more(problems.len(), listed))))
}

fn table(group: &Group, columns: &[Column], folded: bool) -> Section {
    let title = escape_markdown(&group.heading());
    let mut text = String::new();
    if folded {
        text.push_str(&format!("\n<details><summary>{title}</summary>\n\n"));
    } else {
        text.push_str(&format!("\n#### {title}\n\n"));
    }
    let constants = group.constants(columns);
    if !constants.is_empty() {
        text.push_str(&format!("{}\n\n", escape_markdown(&constants.join(", "))));
    }
    let shown = group.deciding_columns(columns);
    push_row(
        &mut text,
        shown.iter().map(|(_, column)| column.title(group.throughput_unit()).to_owned()),
    );
    let rules = shown.iter().map(|(_, column)| if column.is_number() { "---:" } else { "---" });
    push_row(&mut text, rules.map(str::to_owned));
    for row in &group.rows {
        push_row(&mut text, shown.iter().filter_map(|(at, _)| row.cells.get(*at)).map(cell));
    }
    if folded {
        text.push_str("\n</details>\n");
    }
    Section::droppable(&text, title)
}

fn push_row(text: &mut String, cells: impl Iterator<Item = String>) {
    text.push('|');
    for cell in cells {
        text.push_str(&format!(" {cell} |"));
    }
    text.push('\n');
}

fn cell(cell: &Cell) -> String {
    let value = escape_markdown(&cell.text);
    let value = if cell.best { format!("**{value}**") } else { value };
    match &cell.delta {
        None => value,
        // A cell of a narrow table breaks at spaces, and a change without its value says nothing.
        Some(delta) if small_sign(delta.mark).is_empty() => format!("{value}&nbsp;{}", delta.text),
        // It also breaks behind an emoji, but not before a word joiner.
        Some(delta) => format!("{value}&nbsp;{}&NoBreak;{}", small_sign(delta.mark), delta.text),
    }
}
