//! The text of a place in an order, from which the next page continues. Clients pass it on as it is.

use super::error::ApiError;
use crate::store::database::{CursorKey, PointCursor};

/// `w1790000000000.42`: the kind of the key, the key, the number of the row.
pub(super) fn text(cursor: PointCursor) -> String {
    let PointCursor { key, id } = cursor;
    match key {
        CursorKey::Absent => format!("a.{id}"),
        CursorKey::Whole(number) => format!("w{number}.{id}"),
        // Its bits: a decimal fraction could read back as a neighbour.
        CursorKey::Number(number) => format!("n{:x}.{id}", number.to_bits()),
    }
}

/// # Errors
/// [`ApiError::Parameter`] for a text that [`text`] does not give.
pub(super) fn parse(cursor: &str) -> Result<PointCursor, ApiError> {
    read(cursor).ok_or_else(|| ApiError::parameter("cursor", cursor, "the `next` of an answer"))
}

fn read(cursor: &str) -> Option<PointCursor> {
    let (key, id) = cursor.rsplit_once('.')?;
    let key = match key.split_at_checked(1)? {
        ("a", "") => CursorKey::Absent,
        ("w", number) => CursorKey::Whole(number.parse().ok()?),
        ("n", bits) => CursorKey::Number(f64::from_bits(u64::from_str_radix(bits, 16).ok()?)).finite()?,
        (_, _) => return None,
    };
    Some(PointCursor { key, id: id.parse().ok()? })
}

impl CursorKey {
    fn finite(self) -> Option<Self> {
        match self {
            Self::Number(number) if !number.is_finite() => None,
            key @ (Self::Absent | Self::Whole(_) | Self::Number(_)) => Some(key),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn places_read_back_exactly() {
        for key in [CursorKey::Absent, CursorKey::Whole(-3), CursorKey::Number(0.1 + 0.2)] {
            let cursor = PointCursor { key, id: 7 };
            assert_eq!(parse(&text(cursor)).unwrap(), cursor);
        }
        for wrong in ["", ".", "x1.2", "w.1", "n7ff0000000000000.1", "a1.2", "w1", "é.1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
