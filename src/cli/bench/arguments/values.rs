//! Parsers of flag values.

use std::num::NonZeroU32;

use super::random::ImageSizes;
use crate::eval::python::literal;
use crate::load::dataset::images::MOST_PIXELS;
use crate::load::settings::{ImageSize, MetricName, SettingsError};
use crate::model::Secret;

/// Value of `--num-prompts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptCount {
    /// `-1`: all prompts of the data set.
    All,
    Number(NonZeroU32),
}

impl std::str::FromStr for PromptCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "-1" => Ok(Self::All),
            number => number
                .parse()
                .map(Self::Number)
                .map_err(|_| "expected a number from 1, or -1 for all".to_owned()),
        }
    }
}

/// Text that is valid in a header.
pub fn header_text(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("expected printable ASCII without spaces".to_owned())
    }
}

/// The number of images in a limit such as `{"image": 3, "video": 0}`.
pub fn image_limit(text: &str) -> Result<u32, String> {
    let limits = literal(text).or_else(|| serde_json::from_str(text).ok());
    let images = limits.as_ref().and_then(|limits| limits.get("image")?.as_u64());
    images
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| "expected a number of images, such as {\"image\": 3}".to_owned())
}

const IMAGE_SIZES_FORM: &str = "expected {(HEIGHT, WIDTH, 1): WEIGHT, ...}, such as {(256, 256, 1): 0.7, (720, 1280, 1): 0.3}";

/// Image sizes with weights in Python's syntax, `{(256, 256, 1): 0.7, (720, 1280, 1): 0.3}`: height, width, number of frames.
pub fn image_sizes(text: &str) -> Result<ImageSizes, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or(IMAGE_SIZES_FORM)?;
    let mut sizes = Vec::new();
    for entry in inner.split('(').skip(1) {
        let (shape, weight) = entry.split_once(')').ok_or(IMAGE_SIZES_FORM)?;
        let numbers: Option<Vec<u32>> = shape.split(',').map(|number| number.trim().parse().ok()).collect();
        let weight = weight
            .trim_start_matches(['"', '\'', ' ', ':'])
            .trim_end_matches([',', ' ', '"', '\'']);
        let weight: f64 = weight.parse().map_err(|_| IMAGE_SIZES_FORM)?;
        let Some(&[height, width, frames]) = numbers.as_deref() else {
            return Err(IMAGE_SIZES_FORM.to_owned());
        };
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(format!("invalid weight {weight}, expected a finite number, 0 or more"));
        }
        match (NonZeroU32::new(height), NonZeroU32::new(width)) {
            // A size of weight 0 is never used, so it may be a video.
            _ if weight == 0.0 => {}
            (Some(_), Some(_)) if frames != 1 => {
                return Err(format!(
                    "({height}, {width}, {frames}) is a video; only images, of 1 frame, can be sent"
                ));
            }
            (Some(height), Some(width)) if u64::from(height.get()) * u64::from(width.get()) <= MOST_PIXELS => {
                sizes.push(ImageSize { height, width, weight });
            }
            (Some(_), Some(_)) => return Err(format!("({height}, {width}, 1) has more than {MOST_PIXELS} pixels")),
            (_, _) => return Err(IMAGE_SIZES_FORM.to_owned()),
        }
    }
    if sizes.is_empty() {
        return Err(IMAGE_SIZES_FORM.to_owned());
    }
    Ok(ImageSizes(sizes))
}

/// A secret that is valid in a header.
pub fn secret(text: &str) -> Result<Secret, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err("expected printable ASCII".to_owned())
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A header, `NAME=VALUE`.
pub fn header(text: &str) -> Result<(String, Secret), String> {
    let (name, value) = key_value(text)?;
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(format!("{name:?} is not a header name"));
    }
    Ok((name, secret(&value)?))
}

/// A key of a JSON object.
pub fn key_name(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits and underscores, such as max_completion_tokens".to_owned())
    }
}

/// `KEY=VALUE`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A latency limit, `METRIC:MILLISECONDS`.
pub fn goodput(text: &str) -> Result<(MetricName, f64), String> {
    let (name, limit) = text.split_once(':').ok_or("expected METRIC:MILLISECONDS, such as ttft:200")?;
    let metric = name.parse().map_err(|error: SettingsError| error.to_string())?;
    let limit: f64 = limit.parse().map_err(|_| format!("{limit:?} is not a number of milliseconds"))?;
    if limit >= 0.0 {
        Ok((metric, limit))
    } else {
        Err(format!("invalid limit {limit} ms, expected 0 or more"))
    }
}

/// A JSON object.
pub fn json_object(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn sizes_of_images_are_read_as_python_writes_them() {
        let read = |text: &str| {
            let sizes = image_sizes(text)?.0.into_iter();
            Ok::<Vec<_>, String>(sizes.map(|size| (size.height.get(), size.width.get(), size.weight)).collect())
        };
        let expected = vec![(256, 256, 0.7), (720, 1280, 0.3)];
        assert_eq!(read("{(256, 256, 1): 0.7, (720, 1280, 1): 0.3}"), Ok(expected.clone()));
        assert_eq!(read(r#"{"(256, 256, 1)": 0.7, "(720, 1280, 1)": 0.3}"#), Ok(expected));
        assert_eq!(read("{(256, 256, 1): 1, (720, 1280, 16): 0.0}"), Ok(vec![(256, 256, 1.0)]));
        for (text, message) in [
            ("{(720, 1280, 16): 0.1}", "is a video"),
            ("{(99999, 99999, 1): 1}", "pixels"),
            ("{(0, 5, 1): 1}", "expected"),
            ("256x256", "expected"),
            ("{}", "expected"),
            ("{(1, 2): 1}", "expected"),
            ("{(1, 2, 1): -1}", "weight"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn the_limit_of_images_is_read_as_json() {
        assert_eq!(image_limit(r#"{"image": 3, "video": 0}"#), Ok(3));
        assert!(image_limit("3").is_err() && image_limit(r#"{"video": 1}"#).is_err());
    }
}
