//! The arrays of `--save-detailed` in the results of shards: one value for each request, put into the order of the whole load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The arrays of a result, of a shard or of the whole load; empty without `--save-detailed`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RequestArrays {
    #[serde(default)]
    input_lens: Vec<u32>,
    #[serde(default)]
    output_lens: Vec<u32>,
    /// Seconds.
    #[serde(default)]
    ttfts: Vec<f64>,
    /// Seconds.
    #[serde(default)]
    itls: Vec<Vec<f64>>,
    #[serde(default)]
    errors: Vec<String>,
    /// Only if the load has several servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    servers: Vec<usize>,
}

/// An array that does not have a value for each request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongLength {
    pub array: &'static str,
    pub found: usize,
    pub expected: usize,
}

/// The values of one request.
#[derive(Debug)]
struct RequestValues {
    input_len: u32,
    output_len: u32,
    ttft: f64,
    itls: Vec<f64>,
    error: String,
    server: Option<usize>,
}

/// The values of all requests by their numbers.
#[derive(Debug, Default)]
pub(super) struct RequestsByNumber(BTreeMap<u32, RequestValues>);

impl RequestArrays {
    /// Whether it has no arrays.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RequestsByNumber {
    /// Adds the requests of a shard, which have these numbers.
    ///
    /// # Errors
    /// [`WrongLength`].
    pub(super) fn add(&mut self, arrays: RequestArrays, numbers: &[u32]) -> Result<(), WrongLength> {
        let RequestArrays {
            input_lens,
            output_lens,
            ttfts,
            itls,
            errors,
            servers,
        } = arrays;
        for (array, found) in [
            ("input_lens", input_lens.len()),
            ("output_lens", output_lens.len()),
            ("ttfts", ttfts.len()),
            ("itls", itls.len()),
            ("errors", errors.len()),
        ] {
            let expected = numbers.len();
            if found != expected {
                return Err(WrongLength { array, found, expected });
            }
        }
        let lengths = input_lens.into_iter().zip(output_lens);
        let times = ttfts.into_iter().zip(itls);
        let rest = errors.into_iter().zip(servers.into_iter().map(Some).chain(std::iter::repeat(None)));
        for (number, ((input_len, output_len), ((ttft, itls), (error, server)))) in numbers.iter().zip(lengths.zip(times.zip(rest))) {
            let values = RequestValues {
                input_len,
                output_len,
                ttft,
                itls,
                error,
                server,
            };
            self.0.insert(*number, values);
        }
        Ok(())
    }

    /// The arrays of the whole load.
    pub(super) fn arrays(self) -> RequestArrays {
        let mut arrays = RequestArrays::default();
        for values in self.0.into_values() {
            arrays.input_lens.push(values.input_len);
            arrays.output_lens.push(values.output_len);
            arrays.ttfts.push(values.ttft);
            arrays.itls.push(values.itls);
            arrays.errors.push(values.error);
            arrays.servers.extend(values.server);
        }
        arrays
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn shard(ttfts: &[f64]) -> RequestArrays {
        RequestArrays {
            input_lens: vec![7; ttfts.len()],
            output_lens: vec![2; ttfts.len()],
            ttfts: ttfts.to_vec(),
            itls: ttfts.iter().map(|ttft| vec![ttft / 10.0]).collect(),
            errors: vec![String::new(); ttfts.len()],
            servers: Vec::new(),
        }
    }

    #[test]
    fn requests_come_in_the_order_of_the_whole_load() {
        let mut whole = RequestsByNumber::default();
        whole.add(shard(&[0.1, 0.3, 0.5]), &[0, 2, 4]).unwrap();
        whole.add(shard(&[0.2, 0.4]), &[1, 3]).unwrap();
        assert_eq!(whole.arrays(), shard(&[0.1, 0.2, 0.3, 0.4, 0.5]));
    }

    #[test]
    fn arrays_of_another_length_are_refused() {
        let mut arrays = shard(&[0.1, 0.3]);
        arrays.itls.pop();
        let wrong = RequestsByNumber::default().add(arrays, &[0, 2]).unwrap_err();
        assert_eq!((wrong.array, wrong.found, wrong.expected), ("itls", 1, 2));
    }
}
