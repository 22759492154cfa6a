//! Cost and energy in a report: two columns, the best point that meets objectives, and notes about missing prices.

use super::number;
use super::throughput_unit::ThroughputUnit;
use super::view::View;
use crate::analysis::{Best, BestBy, CostModel, PointCost, PowerSource, Slo};
use crate::result::Point;

/// A column of costs or energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostColumn {
    /// US dollars per million input and output tokens.
    Usd,
    /// Energy of the GPUs for an output token.
    Joules,
}

/// Both columns in order.
pub(super) const COST_COLUMNS: [CostColumn; 2] = [CostColumn::Usd, CostColumn::Joules];

impl CostColumn {
    /// The heading, with the unit.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Usd => "$/M tok",
            Self::Joules => "J/output tok",
        }
    }

    /// The value of a point.
    pub(super) fn value(self, cost: &PointCost) -> Option<f64> {
        match self {
            Self::Usd => Some(cost.total.usd),
            Self::Joules => cost.joules_per_output_token,
        }
    }

    /// The text of a cell. `~` marks energy from the thermal design power, which is not measured.
    pub(super) fn text(self, cost: Option<&PointCost>) -> String {
        let value = cost.and_then(|cost| Some((cost, self.value(cost)?)));
        match (self, value) {
            (_, None) => "–".to_owned(),
            (Self::Joules, Some((cost, value))) if cost.power_source == PowerSource::Tdp => format!("~{}", number::plain(value)),
            (Self::Usd | Self::Joules, Some((_, value))) => number::plain(value),
        }
    }
}

/// The names of cost figures in JSON, CSV and Parquet.
pub(super) const COST_FIELDS: [&str; 13] = [
    "usd_per_gpu_hour",
    "usd_per_million_tokens",
    "usd_per_million_input_tokens",
    "usd_per_million_output_tokens",
    "wh_per_million_tokens",
    "wh_per_million_input_tokens",
    "wh_per_million_output_tokens",
    "gco2_per_million_tokens",
    "gco2_per_million_input_tokens",
    "gco2_per_million_output_tokens",
    "gpu_joules_per_output_token",
    "gpu_power_w",
    "power_is_measured",
];

/// The values of [`COST_FIELDS`]; the last one is 1 or 0.
pub(super) fn cost_values(cost: &PointCost) -> [Option<f64>; 13] {
    let kinds = [Some(cost.total), cost.input, cost.output];
    let usd = kinds.map(|kind| kind.map(|kind| kind.usd));
    let wh = kinds.map(|kind| kind.map(|kind| kind.wh));
    let gco2 = kinds.map(|kind| kind.map(|kind| kind.gco2));
    let measured = match cost.power_source {
        PowerSource::Measured => 1.0,
        PowerSource::Tdp => 0.0,
    };
    [
        Some(cost.usd_per_gpu_hour),
        usd[0],
        usd[1],
        usd[2],
        wh[0],
        wh[1],
        wh[2],
        gco2[0],
        gco2[1],
        gco2[2],
        cost.joules_per_output_token,
        Some(cost.gpu_power_w),
        Some(measured),
    ]
}

/// The best point that meets the objectives, one line for each model and workload.
#[must_use]
pub fn answers(best: &[Best], slos: &[Slo], by: BestBy) -> Vec<String> {
    let objectives: Vec<String> = slos.iter().map(ToString::to_string).collect();
    let that_meets = match objectives.is_empty() {
        true => String::new(),
        false => format!(" that meets {}", objectives.join(" and ")),
    };
    let what = match by {
        BestBy::Cost => "Cheapest",
        BestBy::Energy => "Least energy",
        BestBy::Throughput => "Most throughput",
    };
    let lines = best.iter().map(|best| {
        let subject = format!("{what} of {} {}{that_meets}", best.model_prefix, best.workload);
        match best.point {
            Some((point, value)) => format!(
                "{subject}: {} with {}",
                point.key,
                valued(by, value, ThroughputUnit::of(&point.key.curve.runner))
            ),
            None if best.meeting > 0 => format!("{subject}: unknown, no point that meets the objectives has a price"),
            None => format!("{subject}: none of {} points", best.of),
        }
    });
    lines.collect()
}

fn valued(by: BestBy, value: f64, unit: ThroughputUnit) -> String {
    let value = number::plain(value);
    match by {
        BestBy::Cost => format!("${value} per million tokens"),
        BestBy::Energy => format!("{value} Wh per million tokens"),
        BestBy::Throughput => format!("{value} {}", unit.text()),
    }
}

impl View<'_> {
    /// Adds costs, and a note for each kind of hardware without a price.
    #[must_use]
    pub fn with_costs(mut self, costs: &CostModel) -> Self {
        let mut gaps = std::collections::BTreeSet::new();
        for group in &mut self.groups {
            for row in &mut group.rows {
                match costs.of(row.point) {
                    Ok(cost) => row.cost = Some(cost),
                    Err(crate::analysis::CostGap::NotMeasured) => {}
                    Err(gap) => drop(gaps.insert(gap.to_string())),
                }
            }
            group.add_cost_cells();
        }
        self.has_costs = true;
        self.cost_notes = gaps.into_iter().collect();
        self
    }

    #[must_use]
    pub fn with_answers(mut self, answers: Vec<String>) -> Self {
        self.answers = answers;
        self
    }
}

/// Whether a point has the lowest value of its workload. A workload with a single point has no best one.
pub(super) fn is_lowest(column: CostColumn, row: (&Point, Option<&PointCost>), all: &[(&Point, Option<PointCost>)]) -> bool {
    let (point, cost) = row;
    let Some(own) = cost.and_then(|cost| column.value(cost)) else {
        return false;
    };
    let same = all.iter().filter(|(other, _)| other.key.curve.workload == point.key.curve.workload);
    let values: Vec<f64> = same.filter_map(|(_, cost)| column.value(cost.as_ref()?)).collect();
    values.len() > 1 && values.iter().all(|other| own <= *other)
}
