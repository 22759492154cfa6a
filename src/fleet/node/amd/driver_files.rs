//! Parsers for files of AMD's drivers.

/// Clocks of a GPU's cores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct AmdClocks {
    /// Current clock, MHz.
    pub now_mhz: Option<f64>,
    /// Maximum clock, MHz.
    pub highest_mhz: Option<f64>,
}

/// Parses `pp_dpm_sclk`: a line per level, such as `1: 2100Mhz *`, with a star at the current level
/// (<https://docs.kernel.org/gpu/amdgpu/thermal.html#pp-dpm>). A sleeping GPU has a level `S`.
pub(super) fn amd_clocks(levels: &str) -> AmdClocks {
    let mut clocks = AmdClocks::default();
    for line in levels.lines() {
        let Some((_, level)) = line.split_once(':') else { continue };
        let (mhz, is_now) = match level.trim().strip_suffix('*') {
            Some(mhz) => (mhz, true),
            None => (level, false),
        };
        let mhz = mhz.trim().to_lowercase();
        let Some(mhz) = mhz.strip_suffix("mhz").and_then(|mhz| mhz.trim().parse::<f64>().ok()) else {
            continue;
        };
        clocks.highest_mhz = Some(clocks.highest_mhz.map_or(mhz, |highest| highest.max(mhz)));
        if is_now {
            clocks.now_mhz = Some(mhz);
        }
    }
    clocks
}

/// A number in the file `properties` of a node of amdkfd's topology, which has a line per name and value.
pub(super) fn kfd_property(properties: &str, name: &str) -> Option<u64> {
    let value = properties.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_and_maximum_clocks_are_read() {
        let of = |now, highest| AmdClocks {
            now_mhz: now,
            highest_mhz: highest,
        };
        for (levels, expected) in [
            ("0: 132Mhz *\n1: 2100Mhz\n", of(Some(132.0), Some(2100.0))),
            ("0: 500Mhz \n1: 2100Mhz *\n2: 1700Mhz \n", of(Some(2100.0), Some(2100.0))),
            ("S: 19Mhz *\n0: 500Mhz\n1: 1700Mhz\n", of(Some(19.0), Some(1700.0))),
            ("", of(None, None)),
            ("0: fast *\nnothing\n", of(None, None)),
        ] {
            assert_eq!(amd_clocks(levels), expected, "{levels}");
        }
    }

    #[test]
    fn property_is_found_by_its_whole_name() {
        let text = "simd_count 304\ndrm_render_minor 128\nunique_id 17179869184\nid 7\n";
        assert_eq!(kfd_property(text, "drm_render_minor"), Some(128));
        assert_eq!(kfd_property(text, "unique_id"), Some(17_179_869_184));
        assert_eq!(kfd_property(text, "drm_render"), None);
        assert_eq!(kfd_property(text, "domain"), None);
    }
}
