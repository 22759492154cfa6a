//! Result fields for multi-turn conversations: how many were started, the time to first token of first and of later turns, and the
//! hit rate of the prefix cache.

use serde_json::{Value, json};

use super::measured::Measured;
use super::metrics::Metrics;
use super::record::Record;
use crate::model::{count, saturating};

impl Measured {
    /// The fields of the conversations; null without conversations. `unsent_turns` counts the turns that were not sent because an
    /// earlier one failed or the run was interrupted; it is null if the run is limited by time.
    pub(super) fn sessions_json(&self) -> Value {
        let Some(stride) = self.run.stride else { return Value::Null };
        let records = &self.run.records;
        let (first, later): (Vec<&Record>, Vec<&Record>) = records.iter().partition(|record| record.index % stride == 0);
        let sent = saturating::to_u32(records.len());
        let unsent = self.settings.num_prompts.get().saturating_sub(sent);
        json!({
            "recorded": self.settings.has_recorded_sessions(),
            "begun": first.len(),
            "turns": self.settings.num_prompts,
            "think_time_s": self.settings.sessions.map(|sessions| sessions.think_time.as_secs_f64()),
            "unsent_turns": self.settings.duration.is_none().then_some(unsent),
            "first_turn_ttft_ms": self.summary_json(ttft_ms(&first)),
            "later_turn_ttft_ms": self.summary_json(ttft_ms(&later)),
        })
    }

    /// Prompt tokens found in the prefix cache of the server, and their share. Servers omit the count if it is zero, so if one
    /// request has it, requests without it count as 0. Null if no request has it.
    pub(super) fn prefix_cache_json(&self) -> Value {
        let records = self.run.records.iter();
        let counted: Vec<&Record> = records
            .filter(|record| record.is_success() && record.reported_prompt_tokens.is_some())
            .collect();
        if counted.iter().all(|record| record.reported_cached_tokens.is_none()) {
            return Value::Null;
        }
        let prompt: u64 = counted
            .iter()
            .filter_map(|record| record.reported_prompt_tokens)
            .map(u64::from)
            .sum();
        let cached: u64 = counted
            .iter()
            .filter_map(|record| record.reported_cached_tokens)
            .map(u64::from)
            .sum();
        json!({
            "prompt_tokens": prompt,
            "cached_tokens": cached,
            "hit_rate": (prompt > 0).then(|| count(cached) / count(prompt)),
        })
    }
}

fn ttft_ms(records: &[&Record]) -> Vec<f64> {
    records
        .iter()
        .flat_map(|record| Metrics::of(std::slice::from_ref(*record), None).ttft_ms)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::measured::tests_support::measured;
    use crate::load::stamp::Stamp;
    use std::num::NonZeroU32;

    fn record(index: u32, ttft_ms: u64, cached: Option<u32>) -> Record {
        Record {
            index,
            first_token: Some(Stamp::from_unix_nanos(ttft_ms * 1_000_000)),
            streamed: true,
            reported_prompt_tokens: Some(100),
            reported_cached_tokens: cached,
            ..Record::default()
        }
    }

    #[test]
    fn first_turns_are_told_from_later_ones() {
        let mut measured = measured(vec![
            record(0, 40, None),
            record(1, 10, None),
            record(4, 60, None),
            record(5, 20, None),
        ]);
        assert_eq!(measured.sessions_json(), Value::Null);
        measured.run.stride = NonZeroU32::new(4);
        let json = measured.sessions_json();
        assert_eq!((&json["begun"], &json["recorded"]), (&json!(2), &json!(false)));
        assert_eq!(
            (&json["first_turn_ttft_ms"]["mean"], &json["later_turn_ttft_ms"]["mean"]),
            (&json!(50.0), &json!(15.0))
        );
    }

    #[test]
    fn a_request_without_the_number_found_nothing_once_another_has_it() {
        let silent = measured(vec![record(0, 1, None)]);
        assert_eq!(silent.prefix_cache_json(), Value::Null);
        let told = measured(vec![record(0, 1, None), record(1, 1, Some(50))]);
        let expected = json!({ "prompt_tokens": 200, "cached_tokens": 50, "hit_rate": 0.25 });
        assert_eq!(told.prefix_cache_json(), expected);
    }
}
