//! Durations of ISO 8601, such as `PT49.97S` and `P1DT2H3M4.5S`.

/// The seconds of a duration without years, months and weeks, which are not of a fixed length or do not occur.
pub(super) fn duration_seconds(text: &str) -> Option<f64> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0.0;
    let mut parts = 0;
    for (text, units) in [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])] {
        let mut rest = text;
        for (letter, factor) in units {
            if let Some((number, after)) = rest.split_once(*letter) {
                if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                    return None;
                }
                seconds += number.parse::<f64>().ok()? * factor;
                parts += 1;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (parts > 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (text, seconds) in [
            ("PT49.97206788184121S", Some(49.972_067_881_841_21)),
            ("PT3.016S", Some(3.016)),
            ("PT1M30S", Some(90.0)),
            ("P1DT2H0M4.5S", Some(93_604.5)),
            ("PT0S", Some(0.0)),
            ("P2D", Some(172_800.0)),
            ("PT", None),
            ("P1M", None),
            ("49.9", None),
            ("PT-5S", None),
            ("PT1S2M", None),
        ] {
            assert_eq!(duration_seconds(text), seconds, "{text}");
        }
    }
}
