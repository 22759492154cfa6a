//! Conversions between integers for counts, lengths and times, where the largest value of the target stands for whatever exceeds it.
//! Sizes that decide about memory or safety are converted by `try_from` instead.

/// As `u32`, at most `u32::MAX`.
pub(crate) fn to_u32(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// As `u64`, at most `u64::MAX`.
pub(crate) fn to_u64(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// As `i64`, at most `i64::MAX`.
pub(crate) fn to_i64(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// As `usize`, at most `usize::MAX`.
pub(crate) fn to_usize(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
