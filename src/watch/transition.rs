//! The difference between what was told and what holds: pure.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::Subject;
use super::document::Condition;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// A subject that was told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub subject: Subject,
    /// Milliseconds since 1970.
    pub opened_ms: i64,
    pub told_ms: i64,
}

/// How old a change may be that opens a state, and when one that goes on is told again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub newest_days: u32,
    pub remind_days: u32,
}

/// What is to be told, and what then was told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transition {
    pub opened: Vec<Subject>,
    pub still: Vec<Told>,
    pub recovered: Vec<Told>,
    pub after: Vec<Told>,
}

impl Transition {
    pub(super) fn has_news(&self) -> bool {
        !(self.opened.is_empty() && self.still.is_empty() && self.recovered.is_empty())
    }
}

/// `open` are the subjects whose condition holds.
pub(super) fn transition(before: &[Told], open: Vec<Subject>, rules: Rules, now_ms: i64) -> Transition {
    let mut found = Transition::default();
    let known: BTreeMap<_, &Told> = before.iter().map(|told| (told.subject.identity(), told)).collect();
    for subject in open {
        match known.get(&subject.identity()).copied() {
            Some(told) if !is_again(&told.subject, &subject) => {
                let is_due = now_ms - told.told_ms >= i64::from(rules.remind_days) * DAY_MS;
                let after = Told {
                    told_ms: if is_due { now_ms } else { told.told_ms },
                    // A level that got longer is the same; its start is kept as it was told.
                    subject: if is_due { subject } else { told.subject.clone() },
                    opened_ms: told.opened_ms,
                };
                if is_due {
                    found.still.push(after.clone());
                }
                found.after.push(after);
            }
            Some(_) => found.open(subject, now_ms),
            // What was there before the query existed is no news.
            None if now_ms - subject.since_ms <= i64::from(rules.newest_days) * DAY_MS => found.open(subject, now_ms),
            None => {}
        }
    }
    let open: BTreeSet<_> = found.after.iter().map(|after| after.subject.identity()).collect();
    let ended = before.iter().filter(|told| !open.contains(&told.subject.identity()));
    found.recovered = ended.cloned().collect();
    found
}

impl Transition {
    fn open(&mut self, subject: Subject, now_ms: i64) {
        self.opened.push(subject.clone());
        self.after.push(Told {
            subject,
            opened_ms: now_ms,
            told_ms: now_ms,
        });
    }
}

/// A further change for the worse, which began after all runs that were seen when the first was told. Where a level begins may move a little
/// with new runs; that is no further change.
fn is_again(told: &Subject, now: &Subject) -> bool {
    match now.condition {
        Condition::Worse => now.since_ms > told.seen_ms,
        Condition::Failed | Condition::Stale => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        newest_days: 30,
        remind_days: 7,
    };

    fn subject(name: &str, since_day: i64, seen_day: i64) -> Subject {
        Subject {
            condition: Condition::Worse,
            subject: name.to_owned(),
            since_ms: since_day * DAY_MS,
            seen_ms: seen_day * DAY_MS,
            run: Some(1),
            key: None,
            metric: None,
            before: None,
            now: None,
            relative: None,
            reason: None,
        }
    }

    fn names(subjects: &[Subject]) -> Vec<&str> {
        subjects.iter().map(|subject| subject.subject.as_str()).collect()
    }

    #[test]
    fn state_is_told_when_it_opens_goes_on_and_ends() {
        let first = transition(&[], vec![subject("a", 100, 101)], RULES, 101 * DAY_MS);
        assert_eq!(names(&first.opened), ["a"]);
        let quiet = transition(&first.after, vec![subject("a", 100, 105)], RULES, 105 * DAY_MS);
        assert!(!quiet.has_news(), "{quiet:?}");
        let reminded = transition(&quiet.after, vec![subject("a", 100, 108)], RULES, 108 * DAY_MS);
        assert_eq!((reminded.still.len(), reminded.opened.len()), (1, 0));
        assert_eq!(reminded.still[0].opened_ms, 101 * DAY_MS);
        let quiet = transition(&reminded.after, vec![subject("a", 100, 109)], RULES, 109 * DAY_MS);
        assert!(!quiet.has_news());
        let ended = transition(&quiet.after, vec![], RULES, 110 * DAY_MS);
        assert_eq!((ended.recovered.len(), ended.after.len()), (1, 0));
        assert!(!transition(&ended.after, vec![], RULES, 111 * DAY_MS).has_news());
    }

    #[test]
    fn old_change_opens_nothing_and_goes_on_where_it_was_told() {
        let old = transition(&[], vec![subject("a", 10, 100)], RULES, 100 * DAY_MS);
        assert_eq!(old, Transition::default());
        let told = transition(&[], vec![subject("a", 99, 100)], RULES, 100 * DAY_MS);
        let later = transition(&told.after, vec![subject("a", 99, 200)], RULES, 200 * DAY_MS);
        assert_eq!((later.still.len(), later.recovered.len()), (1, 0));
    }

    #[test]
    fn further_decline_opens_again_and_a_moved_edge_does_not() {
        let told = transition(&[], vec![subject("a", 100, 103)], RULES, 103 * DAY_MS);
        let moved = transition(&told.after, vec![subject("a", 101, 104)], RULES, 104 * DAY_MS);
        assert!(!moved.has_news(), "{moved:?}");
        let further = transition(&moved.after, vec![subject("a", 104, 106)], RULES, 106 * DAY_MS);
        assert_eq!(names(&further.opened), ["a"]);
        assert!(further.recovered.is_empty());
    }
}
