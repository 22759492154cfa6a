//! The columns of a table of points: the settings that distinguish its points, then the metrics.

use std::num::NonZeroU32;

use super::economics::CostColumn;
use super::number;
use super::text_table::Rank;
use super::throughput_unit::ThroughputUnit;
use crate::analysis::{Grouping, PointField};
use crate::model::{Layout, Parallelism, SpecDecoding, WorkerGroup};
use crate::result::{Metric, Point};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Setting(Setting),
    Metric(Metric),
    /// Costs and energy.
    Cost(CostColumn),
}

/// A setting that distinguishes the points of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Model,
    Hardware,
    /// The engine and its speculative decoding.
    Framework,
    /// Numeric format of the weights.
    Precision,
    Lengths,
    Tp,
    Ep,
    DpAttention,
    /// Concurrent requests.
    Concurrency,
}

/// All columns in order.
const COLUMNS: [Column; 16] = [
    Column::Setting(Setting::Model),
    Column::Setting(Setting::Hardware),
    Column::Setting(Setting::Framework),
    Column::Setting(Setting::Precision),
    Column::Setting(Setting::Lengths),
    Column::Setting(Setting::Tp),
    Column::Setting(Setting::Ep),
    Column::Setting(Setting::DpAttention),
    Column::Setting(Setting::Concurrency),
    Column::Metric(Metric::Ttft),
    Column::Metric(Metric::Tpot),
    Column::Metric(Metric::Interactivity),
    Column::Metric(Metric::E2el),
    Column::Metric(Metric::ThroughputPerGpu),
    Column::Metric(Metric::OutputThroughputPerGpu),
    Column::Metric(Metric::InputThroughputPerGpu),
];

/// The columns for a grouping. Settings that all points of a table share are in its heading and need no column. The columns of the
/// engine and of TP stay: they also show speculative decoding and details of the layout.
pub(super) fn columns(grouping: &Grouping) -> Vec<Column> {
    COLUMNS
        .into_iter()
        .filter(|column| column.group_field().is_none_or(|field| !grouping.fields().contains(&field)))
        .collect()
}

impl Column {
    /// The field of groups whose value the column repeats; `None` for columns that tables always have.
    fn group_field(&self) -> Option<PointField> {
        match self {
            Self::Setting(Setting::Model) => Some(PointField::Model),
            Self::Setting(Setting::Hardware) => Some(PointField::Hardware),
            Self::Setting(Setting::Precision) => Some(PointField::Precision),
            Self::Setting(Setting::Lengths) => Some(PointField::Sequence),
            Self::Setting(Setting::Concurrency) => Some(PointField::Concurrency),
            Self::Setting(Setting::Framework | Setting::Tp | Setting::Ep | Setting::DpAttention) | Self::Metric(_) | Self::Cost(_) => None,
        }
    }

    /// The heading, with the unit.
    pub(super) fn title(self, unit: ThroughputUnit) -> &'static str {
        match self {
            Self::Setting(setting) => setting.title(),
            Self::Metric(metric) => metric_title(metric, unit),
            Self::Cost(cost) => cost.title(),
        }
    }

    /// Which columns a narrow table keeps: what a GPU gives and what a user feels before what follows from them.
    pub(super) fn rank(self) -> Rank {
        match self {
            Self::Setting(Setting::Concurrency) | Self::Metric(Metric::ThroughputPerGpu) => Rank::Always,
            Self::Setting(_) => Rank::Identity,
            Self::Metric(Metric::Interactivity) => Rank::Optional(0),
            Self::Metric(Metric::Ttft) => Rank::Optional(1),
            Self::Cost(CostColumn::Usd) => Rank::Optional(2),
            Self::Metric(Metric::Tpot) => Rank::Optional(3),
            Self::Metric(Metric::E2el) => Rank::Optional(4),
            Self::Cost(CostColumn::Joules) => Rank::Optional(5),
            Self::Metric(Metric::OutputThroughputPerGpu) => Rank::Optional(6),
            Self::Metric(Metric::InputThroughputPerGpu | Metric::TtftP99 | Metric::E2elP99 | Metric::Qps | Metric::CacheHitRate) => {
                Rank::Optional(7)
            }
        }
    }

    pub(super) fn is_setting(self) -> bool {
        match self {
            Self::Setting(_) => true,
            Self::Metric(_) | Self::Cost(_) => false,
        }
    }

    /// The place among the columns of its kind: settings keep their order, metrics have that of their rank.
    pub(super) fn importance(self) -> u8 {
        match (self, self.rank()) {
            (Self::Setting(_), _) | (_, Rank::Always | Rank::Identity) => 0,
            (Self::Metric(_) | Self::Cost(_), Rank::Optional(rank)) => rank + 1,
        }
    }

    pub(super) fn is_number(self) -> bool {
        match self {
            Self::Setting(
                Setting::Model | Setting::Hardware | Setting::Framework | Setting::Precision | Setting::Lengths | Setting::DpAttention,
            ) => false,
            Self::Setting(Setting::Tp | Setting::Ep | Setting::Concurrency) | Self::Metric(_) | Self::Cost(_) => true,
        }
    }

    /// The text of a point's cell.
    pub(super) fn text(self, point: &Point) -> String {
        match self {
            Self::Setting(setting) => setting.text(point),
            Self::Metric(metric) => point.get(metric).map_or_else(|| "–".to_owned(), |value| metric_text(metric, value)),
            // Cost columns are filled later, if prices are known.
            Self::Cost(cost) => cost.text(None),
        }
    }
}

impl Setting {
    fn title(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::Hardware => "Hardware",
            Self::Framework => "Framework",
            Self::Precision => "Precision",
            Self::Lengths => "ISL/OSL",
            Self::Tp => "TP",
            Self::Ep => "EP",
            Self::DpAttention => "DPA",
            Self::Concurrency => "Conc",
        }
    }

    fn text(self, point: &Point) -> String {
        let curve = &point.key.curve;
        match self {
            Self::Model => curve.model_prefix.to_string(),
            Self::Hardware => curve.runner.to_string(),
            Self::Framework => match curve.spec_decoding {
                SpecDecoding::None => curve.framework.to_string(),
                drafting @ (SpecDecoding::Mtp | SpecDecoding::DraftModel) => format!("{} +{drafting}", curve.framework),
            },
            Self::Precision => curve.precision.to_string(),
            Self::Lengths => curve.workload.to_string(),
            Self::Tp => sizes(&point.layout, tp_of),
            Self::Ep => sizes(&point.layout, |parallelism| parallelism.ep.to_string()),
            Self::DpAttention => sizes(&point.layout, |parallelism| {
                if parallelism.dp_attn { "yes" } else { "no" }.to_owned()
            }),
            Self::Concurrency => point.key.conc.to_string(),
        }
    }
}

/// TP with replicas, PP and context parallelism where they are used: `8`, `8×pp2`.
fn tp_of(parallelism: &Parallelism) -> String {
    let mut text = parallelism.tp.to_string();
    let sizes = [
        ("dp", parallelism.dp_size),
        ("pp", parallelism.pp),
        ("dcp", parallelism.dcp_size),
        ("pcp", parallelism.pcp_size),
    ];
    for (name, size) in sizes {
        if size != NonZeroU32::MIN {
            text.push_str(&format!("×{name}{size}"));
        }
    }
    text
}

/// A size of one engine: `8`. For workers, number and size of prefill and of decode: `5×4 → 1×8`.
fn sizes(layout: &Layout, size: impl Fn(&Parallelism) -> String) -> String {
    let group = |group: &WorkerGroup| format!("{}×{}", group.num_worker, size(&group.parallelism));
    match layout {
        Layout::SingleNode(parallelism) => size(parallelism),
        Layout::MultiNode { prefill, decode } if decode.num_worker == 0 => group(prefill),
        Layout::MultiNode { prefill, decode } => format!("{} → {}", group(prefill), group(decode)),
    }
}

/// The heading of a metric, with its unit.
pub(super) fn metric_title(metric: Metric, unit: ThroughputUnit) -> &'static str {
    match (metric, unit) {
        (Metric::ThroughputPerGpu, _) => unit.text(),
        (Metric::OutputThroughputPerGpu, ThroughputUnit::Gpu) => "Output tok/s/GPU",
        (Metric::OutputThroughputPerGpu, ThroughputUnit::Machine) => "Output tok/s",
        (Metric::InputThroughputPerGpu, ThroughputUnit::Gpu) => "Input tok/s/GPU",
        (Metric::InputThroughputPerGpu, ThroughputUnit::Machine) => "Input tok/s",
        (Metric::Ttft, _) => "TTFT (ms)",
        (Metric::TtftP99, _) => "TTFT p99 (ms)",
        (Metric::Tpot, _) => "TPOT (ms)",
        (Metric::Interactivity, _) => "Interactivity (tok/s/user)",
        (Metric::E2el, _) => "E2EL (s)",
        (Metric::E2elP99, _) => "E2EL p99 (s)",
        (Metric::Qps, _) => "QPS (req/s)",
        (Metric::CacheHitRate, _) => "Cache hits (%)",
    }
}

/// The name of a metric in running text.
pub(super) fn metric_name(metric: Metric, unit: ThroughputUnit) -> &'static str {
    match (metric, unit) {
        (Metric::ThroughputPerGpu, ThroughputUnit::Gpu) => "throughput per GPU",
        (Metric::ThroughputPerGpu, ThroughputUnit::Machine) => "throughput",
        (Metric::OutputThroughputPerGpu, ThroughputUnit::Gpu) => "output throughput per GPU",
        (Metric::OutputThroughputPerGpu, ThroughputUnit::Machine) => "output throughput",
        (Metric::InputThroughputPerGpu, ThroughputUnit::Gpu) => "input throughput per GPU",
        (Metric::InputThroughputPerGpu, ThroughputUnit::Machine) => "input throughput",
        (Metric::Ttft, _) => "TTFT",
        (Metric::TtftP99, _) => "p99 TTFT",
        (Metric::Tpot, _) => "TPOT",
        (Metric::Interactivity, _) => "interactivity",
        (Metric::E2el, _) => "E2E latency",
        (Metric::E2elP99, _) => "p99 E2E latency",
        (Metric::Qps, _) => "QPS",
        (Metric::CacheHitRate, _) => "cache hit rate",
    }
}

/// A metric's value in the unit of its heading.
pub(super) fn metric_text(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot => number::milliseconds(value),
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99
        | Metric::Qps => number::plain(value),
        Metric::CacheHitRate => number::plain(value * 100.0),
    }
}
