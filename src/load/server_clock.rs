//! The offsets between the clocks of several clients, from what they see of one server's clock: the `Date` header of its responses (RFC 9110,
//! section 6.6.1), which has whole seconds. A new second is one instant for all clients. A response with an earlier date was
//! generated after its request was sent, so the new second began after that; a response with the new date has arrived, so it began before
//! that. This holds whether the server reads its clock for each response or, as uvicorn, about once a second for all of them.

use std::collections::BTreeMap;

use super::record::Record;

/// A second of the server's clock, as a client saw it: seconds since the Unix epoch, the last instant at which a request was sent whose
/// response has this date, and the first at which such a response arrived, both by the client's clock in nanoseconds.
pub type SeenSecond = (u64, u64, u64);

/// Most seconds that are kept; the first ones, because offsets hardly change during a load.
const MOST_SECONDS: usize = 3600;

/// The seconds of the first server's clock.
#[must_use]
pub fn seen_seconds(records: &[Record]) -> Vec<SeenSecond> {
    let mut seconds: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for record in records.iter().filter(|record| record.server == 0) {
        let Some((date, arrived)) = record.server_date else { continue };
        let (sent, arrived) = (record.sent.unix_nanos(), arrived.unix_nanos());
        let seen = seconds.entry(date).or_insert((sent, arrived));
        *seen = (seen.0.max(sent), seen.1.min(arrived));
    }
    let seconds = seconds.into_iter().take(MOST_SECONDS);
    seconds.map(|(date, (sent, arrived))| (date, sent, arrived)).collect()
}

/// Bounds of the client's clock less that of `reference`, milliseconds. `None` if no second began during both loads, or if the bounds of
/// several seconds exclude each other, because several servers with clocks of their own answered.
#[must_use]
pub fn offset_ms(reference: &[SeenSecond], client: &[SeenSecond]) -> Option<(f64, f64)> {
    let (reference, client) = (beginnings(reference), beginnings(client));
    let seen_by_both = client.iter().filter_map(|(date, seen)| Some((reference.get(date)?, seen)));
    let bounds = seen_by_both
        .map(|((reference_low, reference_high), (low, high))| (ms_between(*reference_high, *low), ms_between(*reference_low, *high)));
    let narrowest = bounds.reduce(|one, other| (one.0.max(other.0), one.1.min(other.1)));
    narrowest.filter(|(low, high)| low <= high)
}

/// Between which instants each second began: after the last request of an earlier date, before the first response of this or a later one.
fn beginnings(seen: &[SeenSecond]) -> BTreeMap<u64, (u64, u64)> {
    let mut begun = BTreeMap::new();
    let mut last_sent: Option<u64> = None;
    for (at, (date, sent, arrived)) in seen.iter().enumerate() {
        let first_arrival = seen[at..].iter().take(2).map(|(_, _, arrived)| *arrived).min().unwrap_or(*arrived);
        if let Some(low) = last_sent {
            begun.insert(*date, (low, first_arrival));
        }
        last_sent = last_sent.max(Some(*sent));
    }
    begun
}

/// Milliseconds from one instant to another, negative if it is before.
fn ms_between(from: u64, to: u64) -> f64 {
    let distance = std::time::Duration::from_nanos(from.abs_diff(to)).as_secs_f64() * 1e3;
    if to < from { -distance } else { distance }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Stamp;

    const SECOND: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;

    /// Requests every `every_ms` for three seconds, answered after 2 ms, by a client whose clock is `ahead_ms` ahead of the server's. Their
    /// dates are those of a server that reads its clock `stale_ms` too late.
    fn records(every_ms: u64, ahead_ms: u64, stale_ms: u64) -> Vec<Record> {
        let records = (0..3000 / every_ms).map(|number| {
            let (sent, generated) = (10_400 * MS + number * every_ms * MS, 10_401 * MS + number * every_ms * MS);
            let at = |instant: u64| Stamp::from_unix_nanos(instant + ahead_ms * MS);
            Record {
                sent: at(sent),
                server_date: Some(((generated - stale_ms * MS) / SECOND, at(sent + 2 * MS))),
                ..Record::default()
            }
        });
        records.collect()
    }

    fn client(every_ms: u64, ahead_ms: u64, stale_ms: u64) -> Vec<SeenSecond> {
        seen_seconds(&records(every_ms, ahead_ms, stale_ms))
    }

    #[test]
    fn offsets_are_between_their_bounds() {
        for (every, ahead, stale) in [(10, 0, 0), (10, 250, 0), (37, 4000, 0), (10, 250, 300), (90, 20, 0)] {
            let (low, high) = offset_ms(&client(10, 0, stale), &client(every, ahead, stale)).unwrap();
            let truth = ahead as f64;
            assert!(low <= truth && truth <= high, "{every} {ahead}: {low} to {high}");
            // The gaps between the requests of both, and their time.
            assert!(high - low <= (10 + every + 4) as f64, "{every} {ahead}: {low} to {high}");
            let (back_low, back_high) = offset_ms(&client(every, ahead, stale), &client(10, 0, stale)).unwrap();
            assert!(back_low <= -truth && -truth <= back_high, "{back_low} to {back_high}");
        }
    }

    #[test]
    fn clocks_without_a_common_second_have_no_offset() {
        let seen = client(10, 0, 0);
        assert_eq!(offset_ms(&seen, &[]), None);
        // One second alone: it had begun before.
        assert_eq!(offset_ms(&seen[1..2], &seen), None);
        // Two servers behind one address, whose clocks differ by half a second.
        let mixed = seen_seconds(&[records(10, 0, 0), records(10, 0, 500)].concat());
        assert_eq!(offset_ms(&seen, &mixed), None);
    }
}
