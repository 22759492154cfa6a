//! The content of every report: the verdict, failed points, then groups of points by model and hardware.

use std::collections::BTreeMap;

use super::columns::{Column, columns};
use super::economics::{COST_COLUMNS, is_lowest};
use super::evals::Scores;
use super::html::Pages;
use super::text_table::Rank;
use super::throughput_unit::ThroughputUnit;
use super::{number, sentences};
use crate::analysis::{Change, Comparison, Grouping, MetricVerdict, PointComparison, PointCost, PointField, Run, Verdict};
use crate::model::{PointKey, Workload};
use crate::result::{Metric, Point, PointOutcome};

/// A report, independent of its format.
#[derive(Debug)]
pub struct View<'a> {
    pub run: &'a Run,
    /// The comparison with a base.
    pub comparison: Option<&'a Comparison>,
    pub groups: Vec<Group<'a>>,
    /// The grouping of points.
    pub grouping: Grouping,
    /// Whether costs are shown.
    pub has_costs: bool,
    /// Why some costs are unknown.
    pub cost_notes: Vec<String>,
    /// Answers to the questions of the command line, a line each.
    pub answers: Vec<String>,
    /// The page of the workflow run.
    pub run_page: Option<String>,
    /// The changelog lines that requested points, from 1, as far as known.
    pub lines: BTreeMap<PointKey, usize>,
    /// The data of the dashboards' pages, for HTML.
    pub pages: Option<Pages>,
}

/// The points of one table: by default those of one model on one kind of hardware.
#[derive(Debug)]
pub struct Group<'a> {
    /// The common settings, for people: `dsr1 on h200`.
    pub name: String,
    /// The common settings, in the order of the grouping.
    pub values: Vec<(PointField, String)>,
    /// The model's full name, if a result has it and the group has one model.
    pub model: Option<&'a str>,
    /// Its points by workload, precision, engine, layout, concurrency.
    pub rows: Vec<TableRow<'a>>,
}

/// One point as a line of a table.
#[derive(Debug)]
pub struct TableRow<'a> {
    pub point: &'a Point,
    /// The comparison, if there is one.
    pub compared: Option<&'a PointComparison>,
    /// A cell for each column.
    pub cells: Vec<Cell>,
    /// Its cost, if known.
    pub cost: Option<PointCost>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub text: String,
    /// Whether it is the best of its group and workload.
    pub best: bool,
    /// The change since the base, if it exceeds the noise.
    pub delta: Option<Delta>,
}

/// A change since the base.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Such as `▲4.2%`.
    pub text: String,
    pub mark: Mark,
}

/// The importance of a change or a point, for colours and signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    Bad,
    Unsure,
    /// No action needed.
    Neutral,
}

impl From<MetricVerdict> for Mark {
    fn from(verdict: MetricVerdict) -> Self {
        match verdict {
            MetricVerdict::Better => Self::Good,
            MetricVerdict::Worse => Self::Bad,
            MetricVerdict::Unsure => Self::Unsure,
            MetricVerdict::Same => Self::Neutral,
        }
    }
}

impl From<Verdict> for Mark {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Failed | Verdict::Worse => Self::Bad,
            Verdict::Better => Self::Good,
            Verdict::Unsure => Self::Unsure,
            Verdict::Same | Verdict::New | Verdict::Missing => Self::Neutral,
        }
    }
}

impl<'a> View<'a> {
    /// The accuracy of the run, with its changes.
    #[must_use]
    pub fn scores(&self) -> Scores<'a> {
        Scores {
            scores: &self.run.evals,
            changes: self.comparison.map_or(&[], |comparison| &comparison.evals),
        }
    }

    /// The view of a run and, if given, its comparison.
    #[must_use]
    pub fn new(run: &'a Run, comparison: Option<&'a Comparison>) -> Self {
        Self::grouped(run, comparison, Grouping::default())
    }

    /// The same with another grouping.
    #[must_use]
    pub fn grouped(run: &'a Run, comparison: Option<&'a Comparison>, grouping: Grouping) -> Self {
        let mut points: Vec<&Point> = run.points.iter().collect();
        points.sort_by(|left, right| {
            let by_group = grouping.compare(&left.key, &right.key);
            by_group.then_with(|| order(&left.key).cmp(&order(&right.key)))
        });
        let groups = points.chunk_by(|left, right| grouping.compare(&left.key, &right.key).is_eq());
        Self {
            run,
            comparison,
            groups: groups.map(|points| group(points, comparison, &grouping)).collect(),
            grouping,
            has_costs: false,
            cost_notes: Vec::new(),
            answers: Vec::new(),
            run_page: None,
            lines: BTreeMap::new(),
            pages: None,
        }
    }

    /// The same with a link to the page of the workflow run, if it is an address of the web.
    #[must_use]
    pub fn with_run_page(mut self, url: Option<String>) -> Self {
        self.run_page = url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        self
    }

    /// Adds the dashboards' pages to the HTML format.
    #[must_use]
    pub fn with_pages(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self
    }

    /// The verdict in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        sentences::headline(self.run, self.comparison)
    }

    #[must_use]
    pub fn mark(&self) -> Mark {
        let failed = self.run.failures().any(|(point, _)| {
            let compared = self.comparison.and_then(|comparison| comparison.point(&point.key));
            compared.is_none_or(|point| point.exception.is_none())
        });
        match self.comparison {
            Some(comparison) if comparison.has_regression() => Mark::Bad,
            _ if failed => Mark::Bad,
            Some(comparison) if comparison.count(Verdict::Unsure) > 0 => Mark::Unsure,
            Some(_) | None => Mark::Good,
        }
    }

    /// The points that got worse, the worst first, followed by known regressions. Failed points are among the run's failures.
    #[must_use]
    pub fn losses(&self) -> Vec<&'a PointComparison> {
        let mut found: Vec<_> = self.compared().filter(|point| point.verdict == Verdict::Worse).collect();
        found.sort_by(|left, right| {
            let order = left.exception.is_some().cmp(&right.exception.is_some());
            order.then(gain_of(left).total_cmp(&gain_of(right)))
        });
        found
    }

    /// The points that got better, the best first.
    #[must_use]
    pub fn gains(&self) -> Vec<&'a PointComparison> {
        let mut found: Vec<_> = self.compared().filter(|point| point.verdict == Verdict::Better).collect();
        found.sort_by(|left, right| gain_of(right).total_cmp(&gain_of(left)));
        found
    }

    fn compared(&self) -> impl Iterator<Item = &'a PointComparison> + use<'a> {
        self.comparison.into_iter().flat_map(|comparison| comparison.points.iter())
    }
}

/// The gain of the most important change.
fn gain_of(point: &PointComparison) -> f64 {
    point.decisive().map_or(0.0, Change::gain)
}

fn group<'a>(points: &[&'a Point], comparison: Option<&'a Comparison>, grouping: &Grouping) -> Group<'a> {
    let best = Best::of(points);
    let columns = columns(grouping);
    let rows = points.iter().map(|point| {
        let compared = comparison.and_then(|comparison| comparison.point(&point.key));
        TableRow {
            point,
            compared,
            cells: columns.iter().map(|column| cell(*column, point, compared, &best)).collect(),
            cost: None,
        }
    });
    let values = points.first().map_or_else(Vec::new, |point| {
        let fields = grouping.fields().iter();
        fields.map(|field| (*field, field.of(&point.key))).collect()
    });
    Group {
        name: name(&values),
        model: points
            .iter()
            .find_map(|point| point.model.as_deref())
            .filter(|_| grouping.fields().contains(&PointField::Model)),
        values,
        rows: rows.collect(),
    }
}

/// `dsr1 on h200`, `dsr1 on h200, fp8, conc 64`, `all points`.
fn name(values: &[(PointField, String)]) -> String {
    match values {
        [] => "all points".to_owned(),
        [(PointField::Model, model), (PointField::Hardware, hardware), rest @ ..] => {
            let rest = rest.iter().map(|(field, value)| format!(", {}", named_value(*field, value)));
            format!("{model} on {hardware}{}", rest.collect::<String>())
        }
        several => {
            let names = several.iter().map(|(field, value)| named_value(*field, value));
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

fn named_value(field: PointField, value: &str) -> String {
    match field {
        PointField::Concurrency => format!("conc {value}"),
        PointField::Model
        | PointField::Hardware
        | PointField::Framework
        | PointField::Precision
        | PointField::Sequence
        | PointField::Layout => value.to_owned(),
    }
}

/// The order of points: workload first, because readers look for it; concurrency last, because it varies along a curve.
fn order(key: &PointKey) -> impl Ord + '_ {
    let curve = &key.curve;
    (
        curve.workload,
        &curve.model_prefix,
        &curve.runner,
        &curve.precision,
        &curve.framework,
        curve.spec_decoding,
        curve.disagg,
        &curve.layout,
        key.conc,
    )
}

/// The best value of each metric and workload. A workload with a single point has no best value.
struct Best(BTreeMap<(Workload, Metric), f64>);

impl Best {
    fn of(points: &[&Point]) -> Self {
        let mut values: BTreeMap<(Workload, Metric), Vec<f64>> = BTreeMap::new();
        for point in points {
            for metric in Metric::ALL {
                let entry = values.entry((point.key.curve.workload, metric)).or_default();
                entry.extend(point.get(metric));
            }
        }
        let several = values.into_iter().filter(|(_, values)| values.len() > 1);
        let best = several.filter_map(|((workload, metric), values)| {
            let best = values
                .into_iter()
                .max_by(|left, right| metric.gain(*left).total_cmp(&metric.gain(*right)));
            Some(((workload, metric), best?))
        });
        Self(best.collect())
    }

    fn is(&self, workload: Workload, metric: Metric, value: f64) -> bool {
        self.0.get(&(workload, metric)).is_some_and(|best| best.total_cmp(&value).is_eq())
    }
}

fn cell(column: Column, point: &Point, compared: Option<&PointComparison>, best: &Best) -> Cell {
    let (is_best, delta) = match column {
        Column::Setting(_) | Column::Cost(_) => (false, None),
        Column::Metric(metric) => {
            let value = point.get(metric);
            let is_best = value.is_some_and(|value| best.is(point.key.curve.workload, metric, value));
            let change = compared.and_then(|compared| compared.change(metric));
            // Changes within the noise are not shown: they would distract from significant ones.
            let meant = change.filter(|change| Mark::from(change.verdict) != Mark::Neutral);
            (is_best, meant.map(delta))
        }
    };
    Cell {
        text: column.text(point),
        best: is_best,
        delta,
    }
}

fn delta(change: &Change) -> Delta {
    Delta {
        text: number::change(change.relative),
        mark: change.verdict.into(),
    }
}

impl Group<'_> {
    /// The columns that identify and judge its rows, with their indexes: settings, then metrics, the deciding ones first. A setting
    /// that all rows share is not among them.
    pub(super) fn deciding_columns(&self, columns: &[Column]) -> Vec<(usize, Column)> {
        let varying = columns
            .iter()
            .copied()
            .enumerate()
            .filter(|(at, column)| !self.is_constant(*at, *column));
        let mut found: Vec<(usize, Column)> = varying.collect();
        found.sort_by_key(|(_, column)| (!column.is_setting(), column.importance()));
        found
    }

    /// `TP 8, Precision fp8`: the settings that all rows share.
    pub(super) fn constants(&self, columns: &[Column]) -> Vec<String> {
        let constant = columns.iter().enumerate().filter(|(at, column)| self.is_constant(*at, **column));
        let values = constant.filter_map(|(at, column)| {
            let value = &self.rows.first()?.cells.get(at)?.text;
            Some(format!("{} {value}", column.title(self.throughput_unit())))
        });
        values.collect()
    }

    fn is_constant(&self, at: usize, column: Column) -> bool {
        let mut texts = self.rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| &cell.text);
        let Some(first) = texts.next() else { return false };
        column.rank() == Rank::Identity && texts.all(|text| text == first)
    }

    /// What throughput of its points is divided by.
    pub(super) fn throughput_unit(&self) -> ThroughputUnit {
        ThroughputUnit::of_all(self.rows.iter().map(|row| &row.point.key.curve.runner))
    }

    /// The heading: `dsr1 on h200 (deepseek-ai/DeepSeek-R1)`.
    #[must_use]
    pub fn heading(&self) -> String {
        match self.model {
            Some(model) if self.values.iter().all(|(_, value)| value != model) => format!("{} ({model})", self.name),
            Some(_) | None => self.name.clone(),
        }
    }

    /// A cell for each column of costs in each row.
    pub(super) fn add_cost_cells(&mut self) {
        let all: Vec<(&Point, Option<PointCost>)> = self.rows.iter().map(|row| (row.point, row.cost.clone())).collect();
        for row in &mut self.rows {
            for column in COST_COLUMNS {
                row.cells.push(Cell {
                    text: column.text(row.cost.as_ref()),
                    best: is_lowest(column, (row.point, row.cost.as_ref()), &all),
                    delta: None,
                });
            }
        }
    }
}

impl TableRow<'_> {
    /// Why the point has no numbers.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &self.point.outcome {
            PointOutcome::Measured(_) => None,
            PointOutcome::Failed(failure) => Some(format!("{} failure: {}", failure.class.as_str(), failure.reason)),
        }
    }
}

impl View<'_> {
    /// Whether a cell has a change that means something.
    pub(super) fn has_marks(&self) -> bool {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        rows.flat_map(|row| &row.cells).any(|cell| cell.delta.is_some())
    }

    /// The columns of its tables.
    pub(super) fn columns(&self) -> Vec<Column> {
        let costs = COST_COLUMNS.iter().filter(|_| self.has_costs);
        columns(&self.grouping)
            .into_iter()
            .chain(costs.map(|cost| Column::Cost(*cost)))
            .collect()
    }
}
