//! Many tests at once. With 500 points and a limit of 5 %, 25 would raise a false alarm; the procedure of Benjamini and
//! Hochberg ("Controlling the false discovery rate", Journal of the Royal Statistical Society B 57, 1995) instead bounds
//! the share of false alarms among the reported changes, and, if nothing changed at all, the probability of any alarm.

use crate::model::count;

/// The smallest false-discovery rate at which each test would be reported, in the order of the p-values.
#[must_use]
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*right].total_cmp(&p_values[*left]));
    let all = count(p_values.len());
    let mut q = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (larger, index) in order.into_iter().enumerate() {
        let rank = all - count(larger);
        smallest = smallest.min(p_values[index] * all / rank);
        q[index] = smallest;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the paper (section 3.2, treatment of heart attacks): of 15 hypotheses the first four are rejected at
    /// 5 %, where Bonferroni's procedure rejects three.
    #[test]
    fn rejects_the_hypotheses_of_the_paper() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
        ];
        let rejected = q_values(&p).iter().filter(|q| **q <= 0.05).count();
        assert_eq!(rejected, 4);
        assert_eq!(p.iter().filter(|p| **p <= 0.05 / 15.0).count(), 3);
    }

    #[test]
    fn q_values_keep_the_order_of_their_tests() {
        let q = q_values(&[0.04, 0.01, 0.03]);
        assert_eq!(
            q.iter().map(|q| (q * 1e6).round()).collect::<Vec<_>>(),
            [40_000.0, 30_000.0, 40_000.0]
        );
        assert!(q_values(&[]).is_empty());
    }
}
