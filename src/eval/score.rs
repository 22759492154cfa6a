//! From scores of questions to the score of a task: mean, its standard error as lm-eval computes it, and an interval.

use crate::model::count;

/// A score with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    pub mean: f64,
    /// The standard error of the mean; none of fewer than two questions.
    pub stderr: Option<f64>,
    /// The 95% confidence interval.
    pub interval: (f64, f64),
    /// The number of scored questions.
    pub questions: usize,
}

/// The two-sided 95% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Score {
    /// The score of values between 0 and 1; none without values. The standard error is that of the sample (n - 1) over the root of
    /// n, as lm-eval's `mean_stderr`. The interval is Wilson's (E. B. Wilson, JASA 22, 1927), which is valid also near 0 and 1 and for few
    /// questions; the mean plus and minus two standard errors is not.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = count(values.len());
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let stderr = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt() / n.sqrt());
        Some(Self {
            mean,
            stderr,
            interval: wilson(mean, n),
            questions: values.len(),
        })
    }

    /// The score from the mean and the number of questions alone.
    #[must_use]
    pub fn of_mean(mean: f64, questions: u64) -> Option<Self> {
        let questions = usize::try_from(questions).ok().filter(|questions| *questions > 0)?;
        let n = count(questions);
        let stderr = (questions > 1 && (0.0..=1.0).contains(&mean)).then(|| (mean * (1.0 - mean) / (n - 1.0)).sqrt());
        Some(Self {
            mean,
            stderr,
            interval: wilson(mean, n),
            questions,
        })
    }
}

fn wilson(mean: f64, n: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let centre = (mean + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (mean * (1.0 - mean) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: the same formulas in Python; the errors are those of `lm_eval.api.metrics.mean_stderr`.
    #[test]
    fn error_and_interval_are_those_of_the_formulas() {
        let of = |right: usize, wrong: usize| {
            let values: Vec<f64> = std::iter::repeat_n(1.0, right).chain(std::iter::repeat_n(0.0, wrong)).collect();
            Score::of(&values).unwrap()
        };
        for (right, wrong, mean, stderr, low, high) in [
            (45, 15, 0.75, 0.056_373_5, 0.627_679_3, 0.842_234_8),
            (50, 0, 1.0, 0.0, 0.928_652_4, 1.0),
            (0, 10, 0.0, 0.0, 0.0, 0.277_532_8),
        ] {
            let score = of(right, wrong);
            for (found, expected) in [
                (score.mean, mean),
                (score.stderr.unwrap(), stderr),
                (score.interval.0, low),
                (score.interval.1, high),
            ] {
                assert!((found - expected).abs() < 1e-6, "{right} of {}: {found} {expected}", right + wrong);
            }
        }
        assert_eq!(Score::of(&[]), None);
        assert_eq!(Score::of(&[1.0]).unwrap().stderr, None);
    }
}
