//! The amdgpu driver's `gpu_metrics`: a binary table with a revision in its header
//! (`drivers/gpu/drm/amd/include/kgd_pp_interface.h` of Linux, <https://docs.kernel.org/gpu/amdgpu/thermal.html>). Parsed are the
//! socket's power, its energy counter, and the throttle reasons.

use crate::model::count;

/// The unit of the energy counter, joules: 2^-16, or 15.259 microjoules
/// (<https://rocm.docs.amd.com/projects/amdsmi/en/latest/doxygen/docBin/html/structamdsmi__gpu__metrics__t.html>).
const ENERGY_UNIT_J: f64 = 1.0 / 65536.0;
/// Bytes of the header: size of the table, format, content.
const HEADER: usize = 4;

/// Values of a GPU. Those that it does not report are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuMetrics {
    /// Power of the socket, watts: instantaneous (MI300 and later), or averaged (before).
    pub power_w: Option<f64>,
    /// Energy of the socket since an arbitrary time, joules. Some GPUs count in 32 bits, which wrap around within minutes.
    pub energy_j: Option<f64>,
    throttling: Throttling,
}

/// The table is truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GpuMetricsError {
    /// It is shorter than its declared size.
    #[error("gpu_metrics has {found} bytes, expected {expected}")]
    Truncated { found: usize, expected: usize },
    /// It has fewer attributes than declared.
    #[error("gpu_metrics ends within one of its attributes")]
    Attributes,
}

#[derive(Debug, Clone, PartialEq)]
enum Throttling {
    /// Not reported, or bits with a meaning that depends on the GPU.
    Unknown,
    /// Bits with the same meaning for all GPUs.
    Now(u64),
    /// Accumulated time of each of [`RESIDENCIES`], in ticks of the firmware.
    SoFar([Option<u64>; RESIDENCIES.len()]),
}

/// Limits that the firmware enforces by lowering clocks. Reaching the power limit is not a fault.
const POWER_LIMIT: &str = "power limit";
const CURRENT_LIMIT: &str = "current limit";
const THERMAL: &str = "thermal slowdown";
const PROCESSOR_HOT: &str = "processor hot";
const FAULTS: [&str; 2] = [THERMAL, PROCESSOR_HOT];

/// First and last bit of the throttler status that is the same for all GPUs (`SMU_THROTTLER_*` in `amdgpu_smu.h` of Linux).
const BITS: [(u32, u32, &str); 4] = [
    (0, 7, POWER_LIMIT),
    (16, 23, CURRENT_LIMIT),
    (32, 45, THERMAL),
    (46, 47, PROCESSOR_HOT),
];

/// The residencies in the order of the table: PROCHOT, PPT, socket, voltage regulators, HBM.
const RESIDENCIES: [&str; 5] = [PROCESSOR_HOT, POWER_LIMIT, THERMAL, THERMAL, THERMAL];

/// Positions of fields in a table of format 1: offset and width, bytes.
struct Layout {
    /// Minimum size of a table with this layout, bytes.
    size: usize,
    power: (usize, usize),
    energy: (usize, usize),
    throttling: Place,
}

/// Position of the throttle status.
enum Place {
    Nowhere,
    Status(usize),
    /// The first of five numbers of four bytes.
    Residencies(usize),
}

/// The layout of a content revision. Others, such as those of APUs (formats 2 and 3), have no energy.
/// energy.
fn layout(content: u8) -> Option<Layout> {
    Some(match content {
        0 => Layout::with(80, 34, (36, 4), Place::Nowhere),
        1 | 2 => Layout::with(96, 22, (24, 8), Place::Nowhere),
        3 => Layout::with(120, 22, (24, 8), Place::Status(112)),
        // The bits are always zero.
        4 => Layout::with(288, 10, (24, 8), Place::Nowhere),
        5 => Layout::with(360, 10, (88, 8), Place::Nowhere),
        // A draft of 384 bytes, used by some kernels, has another layout.
        6 => Layout::with(385, 10, (16, 8), Place::Residencies(36)),
        7 | 8 => Layout::with(64, 10, (24, 8), Place::Residencies(44)),
        _ => return None,
    })
}

impl Layout {
    /// `power` is the offset of the two bytes of the power; `energy` the offset and width of the energy counter.
    fn with(size: usize, power: usize, energy: (usize, usize), throttling: Place) -> Self {
        Self {
            size,
            power: (power, 2),
            energy,
            throttling,
        }
    }
}

impl GpuMetrics {
    /// Parses a table; `None` for an unknown revision.
    ///
    /// # Errors
    /// If it is truncated, or not a table.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, GpuMetricsError> {
        let truncated = |expected| GpuMetricsError::Truncated {
            found: bytes.len(),
            expected,
        };
        let &[low, high, format, content, ..] = bytes else {
            return Err(truncated(HEADER));
        };
        let size = usize::from(u16::from_le_bytes([low, high]));
        let table = bytes.get(..size.max(HEADER)).ok_or_else(|| truncated(size))?;
        match (format, content) {
            (1, 9) => attributes(table).map(Some).ok_or(GpuMetricsError::Attributes),
            (1, _) => Ok(layout(content)
                .filter(|layout| table.len() >= layout.size)
                .map(|layout| fixed(table, &layout))),
            _ => Ok(None),
        }
    }

    /// The throttle reasons: current ones, or those since an earlier sample if the driver accumulates. Joined with `; `.
    pub fn throttle(&self, before: Option<&Self>) -> String {
        let mut words: Vec<&str> = match (&self.throttling, before.map(|before| &before.throttling)) {
            (Throttling::Now(status), _) => BITS
                .iter()
                .filter(|(first, last, _): &&(u32, u32, &str)| (*first..=*last).any(|bit| status >> bit & 1 == 1))
                .map(|(_, _, word)| *word)
                .collect(),
            (Throttling::SoFar(now), Some(Throttling::SoFar(before))) => {
                let grew = now
                    .iter()
                    .zip(before)
                    .map(|(now, before)| now.zip(*before).is_some_and(|(now, before)| now > before));
                RESIDENCIES
                    .iter()
                    .zip(grew)
                    .filter(|(_, grew)| *grew)
                    .map(|(word, _)| *word)
                    .collect()
            }
            (Throttling::SoFar(_) | Throttling::Unknown, _) => Vec::new(),
        };
        words.dedup();
        words.join("; ")
    }
}

/// The faults among the reasons returned by [`GpuMetrics::throttle`].
pub(super) fn throttle_faults(words: &str) -> Vec<String> {
    let said: Vec<&str> = words.split("; ").collect();
    FAULTS.into_iter().filter(|fault| said.contains(fault)).map(str::to_owned).collect()
}

/// The number of `width` bytes from `at` on.
fn number_at(table: &[u8], (at, width): (usize, usize)) -> Option<u64> {
    number(table.get(at..at + width)?)
}

fn fixed(table: &[u8], layout: &Layout) -> GpuMetrics {
    GpuMetrics {
        power_w: number_at(table, layout.power).map(count),
        energy_j: number_at(table, layout.energy).and_then(joules),
        throttling: match layout.throttling {
            Place::Nowhere => Throttling::Unknown,
            Place::Status(at) => number_at(table, (at, 8)).map_or(Throttling::Unknown, Throttling::Now),
            Place::Residencies(first) => Throttling::SoFar(std::array::from_fn(|index| number_at(table, (first + 4 * index, 4)))),
        },
    }
}

/// Revision 1.9: a number of attributes, each with an eight-byte header, and its values without padding. `None` if
/// the table ends within one.
fn attributes(table: &[u8]) -> Option<GpuMetrics> {
    let (length, mut rest) = table.get(HEADER..)?.split_at_checked(4)?;
    let mut metrics = GpuMetrics {
        power_w: None,
        energy_j: None,
        throttling: Throttling::Unknown,
    };
    let mut residencies = [None; RESIDENCIES.len()];
    for _ in 0..u32::from_le_bytes(length.try_into().ok()?) {
        let (encoding, after) = rest.split_first_chunk()?;
        let encoding = u64::from_le_bytes(*encoding);
        // Header: bits 0 to 9 are the number of values, 10 to 19 the attribute, 20 to 23 the type: two of each width, unsigned and signed.
        let (values, id, kind) = (encoding & 0x3ff, encoding >> 10 & 0x3ff, encoding >> 20 & 0xf);
        let width = 1_usize << (kind / 2).min(3);
        let (value, after) = after.split_at_checked(width * usize::try_from(values).ok()?)?;
        let first = value.get(..width).and_then(number);
        match id {
            3 => metrics.power_w = first.map(count),
            7 => metrics.energy_j = first.and_then(joules),
            10..=14 => {
                if let Some(place) = usize::try_from(id - 10).ok().and_then(|index| residencies.get_mut(index)) {
                    *place = first;
                }
            }
            _ => {}
        }
        rest = after;
    }
    if residencies.iter().any(Option::is_some) {
        metrics.throttling = Throttling::SoFar(residencies);
    }
    Some(metrics)
}

/// A number of at most eight bytes. The driver initialises the table with ones: such a field is not supported by the GPU.
fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.iter().all(|byte| *byte == 0xff) {
        return None;
    }
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Some GPUs whose firmware has no counter report 32 ones in a field of 64 bits.
fn joules(units: u64) -> Option<f64> {
    (units != u64::from(u32::MAX)).then(|| count(units) * ENERGY_UNIT_J)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table as initialised by the driver, full of ones, with some fields set.
    fn table(size: u16, content: u8, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xff; usize::from(size)];
        bytes[..2].copy_from_slice(&size.to_le_bytes());
        bytes[2..4].copy_from_slice(&[1, content]);
        for (at, value) in fields {
            bytes[*at..*at + value.len()].copy_from_slice(value);
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> GpuMetrics {
        GpuMetrics::parse(bytes).unwrap().unwrap()
    }

    #[test]
    fn each_revision_has_its_own_layout() {
        let (power, energy, short) = (
            750_u16.to_le_bytes(),
            (65536_u64 * 5_000_000).to_le_bytes(),
            (65536_u32 * 60_000).to_le_bytes(),
        );
        for (content, size, power_at, energy_at, joules) in [
            (0, 80, 34, 36, 60_000.0),
            (1, 96, 22, 24, 5e6),
            (2, 104, 22, 24, 5e6),
            (3, 120, 22, 24, 5e6),
            (4, 288, 10, 24, 5e6),
            (5, 360, 10, 88, 5e6),
            (6, 1664, 10, 16, 5e6),
            (7, 2208, 10, 24, 5e6),
            (8, 3872, 10, 24, 5e6),
        ] {
            let energy: &[u8] = if content == 0 { &short } else { &energy };
            let metrics = parse(&table(size, content, &[(power_at, &power), (energy_at, energy)]));
            assert_eq!((metrics.power_w, metrics.energy_j), (Some(750.0), Some(joules)), "1.{content}");
            let blank = parse(&table(size, content, &[]));
            assert_eq!((blank.power_w, blank.energy_j), (None, None), "1.{content}");
        }
        let without_counter = table(120, 3, &[(24, &u64::from(u32::MAX).to_le_bytes())]);
        assert_eq!(parse(&without_counter).energy_j, None);
    }

    #[test]
    fn unknown_values_are_absent_and_truncated_tables_are_errors() {
        for (format, content) in [(1, 10), (2, 4), (3, 0), (0, 0)] {
            let mut bytes = table(120, content, &[]);
            bytes[2] = format;
            assert_eq!(GpuMetrics::parse(&bytes), Ok(None), "{format}.{content}");
        }
        // The draft of 1.6.
        assert_eq!(GpuMetrics::parse(&table(384, 6, &[])), Ok(None));
        let whole = table(288, 4, &[]);
        let cut = GpuMetrics::parse(&whole[..100]).unwrap_err();
        assert_eq!(cut.to_string(), "gpu_metrics has 100 bytes, expected 288");
        let expected = |found| Err(GpuMetricsError::Truncated { found, expected: 4 });
        assert_eq!((GpuMetrics::parse(&[]), GpuMetrics::parse(&[4, 0, 1])), (expected(0), expected(3)));
    }

    /// An attribute of a type (0 to 7), with its values.
    fn attribute(id: u64, kind: u64, count: u64, values: &[u8]) -> Vec<u8> {
        let encoding = kind << 20 | id << 10 | count;
        [encoding.to_le_bytes().as_slice(), values].concat()
    }

    fn dynamic(attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = attributes.concat();
        let size = u16::try_from(8 + body.len()).unwrap();
        let count = u32::try_from(attributes.len()).unwrap();
        [size.to_le_bytes().as_slice(), &[1, 9], &count.to_le_bytes(), &body].concat()
    }

    #[test]
    fn attributes_are_read_in_any_order_and_with_any_width() {
        let bytes = dynamic(&[
            attribute(33, 2, 8, &[1; 16]),
            attribute(7, 6, 1, &(65536_u64 * 42).to_le_bytes()),
            attribute(3, 2, 1, &1000_u16.to_le_bytes()),
            attribute(14, 6, 1, &7_u64.to_le_bytes()),
            attribute(10, 4, 1, &[0xff; 4]),
        ]);
        let metrics = parse(&bytes);
        assert_eq!((metrics.power_w, metrics.energy_j), (Some(1000.0), Some(42.0)));
        assert_eq!(metrics.throttling, Throttling::SoFar([None, None, None, None, Some(7)]));
        let mut cut = dynamic(&[attribute(7, 6, 1, &[1; 4])]);
        assert_eq!(GpuMetrics::parse(&cut), Err(GpuMetricsError::Attributes));
        cut[4] = 0;
        assert_eq!(parse(&cut).energy_j, None);
    }

    #[test]
    fn throttle_reasons_are_words() {
        let now = |bits: u64| parse(&table(120, 3, &[(112, &bits.to_le_bytes())])).throttle(None);
        assert_eq!((now(0), now(1 << 1)), (String::new(), "power limit".to_owned()));
        let words = now(1 << 17 | 1 << 36 | 1 << 44 | 1 << 47);
        assert_eq!(words, "current limit; thermal slowdown; processor hot");
        assert_eq!(throttle_faults(&words), ["thermal slowdown", "processor hot"]);
        assert!(throttle_faults("power limit").is_empty() && throttle_faults("0x40").is_empty());
        let so_far = |counts: [u32; 5]| parse(&table(1664, 6, &[(36, &counts.map(u32::to_le_bytes).concat())]));
        let before = so_far([5, 10, 0, 0, 3]);
        let after = so_far([5, 20, 1, 0, 4]);
        assert_eq!(after.throttle(Some(&before)), "power limit; thermal slowdown");
        assert_eq!(
            (after.throttle(None), before.throttle(Some(&before))),
            (String::new(), String::new())
        );
    }
}
