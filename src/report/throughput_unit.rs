//! What throughput is divided by: the GPUs of the deployment, or nothing where there are none.

use crate::model::RunnerLabel;

/// The divisor of throughput in headings and sentences. Files keep the names of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThroughputUnit {
    Gpu,
    /// The whole machine: it has no GPU, or its GPUs are unknown.
    Machine,
}

impl ThroughputUnit {
    /// Hardware is known by its label: `cpu`, `cpu-epyc`, `cluster:cpu`; `unknown` is that of `imax bench`.
    pub(super) fn of(label: &RunnerLabel) -> Self {
        let name = label.as_str().rsplit(':').next().unwrap_or_default();
        let kind = name.split(['-', '_', '.']).next().unwrap_or_default();
        match kind {
            "cpu" | "unknown" => Self::Machine,
            _ => Self::Gpu,
        }
    }

    /// That of several labels: figures of different kinds are those of GPUs.
    pub(super) fn of_all<'a>(labels: impl IntoIterator<Item = &'a RunnerLabel>) -> Self {
        let mut labels = labels.into_iter().peekable();
        let has_labels = labels.peek().is_some();
        match has_labels && labels.all(|label| Self::of(label) == Self::Machine) {
            true => Self::Machine,
            false => Self::Gpu,
        }
    }

    /// The unit of throughput.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Gpu => "tok/s/GPU",
            Self::Machine => "tok/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_gpus() {
        for (label, expected) in [
            ("cpu", ThroughputUnit::Machine),
            ("cpu-epyc", ThroughputUnit::Machine),
            ("cluster:cpu", ThroughputUnit::Machine),
            ("unknown", ThroughputUnit::Machine),
            ("h100", ThroughputUnit::Gpu),
            ("h200-cpu-offload", ThroughputUnit::Gpu),
            ("cpux", ThroughputUnit::Gpu),
        ] {
            assert_eq!(ThroughputUnit::of(&label.parse::<RunnerLabel>().unwrap()), expected, "{label}");
        }
    }

    #[test]
    fn several_kinds_are_gpus() {
        let labels = ["cpu", "h100"].map(|label| label.parse::<RunnerLabel>().unwrap());
        assert_eq!(ThroughputUnit::of_all(&labels), ThroughputUnit::Gpu);
        assert_eq!(ThroughputUnit::of_all(&labels[..1]), ThroughputUnit::Machine);
        assert_eq!(ThroughputUnit::of_all([]), ThroughputUnit::Gpu);
    }
}
