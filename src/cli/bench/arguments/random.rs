//! Options of the generated data sets: random, random-mm and prefix_repetition.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

use super::settings::{ArgumentError, share};
use super::values::{image_limit, image_sizes};
use crate::load::settings::{ImageSize, PrefixRepetition, RandomImages, RandomLengths, RangeStyle};

/// Default of `--random-input-len`, as in benchmark_serving.py.
const DEFAULT_INPUT: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);
/// Default of `--random-output-len`, as in benchmark_serving.py.
const DEFAULT_OUTPUT: NonZeroU32 = NonZeroU32::MIN.saturating_add(127);

#[derive(Debug, Args)]
pub struct RandomArgs {
    /// Input tokens per request, see --random-range-ratio [default: 1024; with URL alone: 256].
    #[arg(long, visible_alias = "synthetic-input-tokens-mean")]
    pub(super) random_input_len: Option<NonZeroU32>,
    /// Output tokens per request, see --random-range-ratio [default: 128].
    #[arg(long, visible_alias = "output-tokens-mean")]
    random_output_len: Option<NonZeroU32>,
    /// Spread of the lengths, 0 to 1, see --random-range-ratio-style; default: all lengths are equal.
    #[arg(long)]
    random_range_ratio: Option<f64>,
    /// Meaning of --random-range-ratio.
    #[arg(long, value_enum, default_value_t = RangeStyleArg::Inferencex)]
    random_range_ratio_style: RangeStyleArg,
    /// Length in tokens of a prefix shared by all prompts, in addition to the input length.
    #[arg(long, default_value_t = 0)]
    random_prefix_len: u32,
    /// Images per request of random-mm, see --random-mm-num-mm-items-range-ratio.
    #[arg(long, default_value_t = 1)]
    random_mm_base_items_per_request: u32,
    /// Spread of the number of images: from `n * (1 - ratio)` to `n * (1 + ratio)`.
    #[arg(long, default_value_t = 0.0)]
    random_mm_num_mm_items_range_ratio: f64,
    /// Maximum number of images per request, such as `{"image": 3, "video": 0}`.
    #[arg(long, value_parser = image_limit, default_value = r#"{"image": 255, "video": 0}"#)]
    random_mm_limit_mm_per_prompt: u32,
    /// Image sizes, `(height, width, 1)`, with their weights.
    #[arg(long, value_parser = image_sizes, action = clap::ArgAction::Set, default_value = "{(256, 256, 1): 0.5, (720, 1280, 1): 0.5}")]
    random_mm_bucket_config: ImageSizes,
    /// Length of each prefix of prefix_repetition in tokens.
    #[arg(long, default_value_t = 256)]
    prefix_repetition_prefix_len: u32,
    /// Length of the text after each prefix in tokens.
    #[arg(long, default_value_t = 256)]
    prefix_repetition_suffix_len: u32,
    /// Number of prefixes, used in rotation.
    #[arg(long, default_value = "10")]
    prefix_repetition_num_prefixes: NonZeroU32,
    /// Output tokens of each request.
    #[arg(long, default_value = "128")]
    prefix_repetition_output_len: NonZeroU32,
}

/// The value of --random-mm-bucket-config.
#[derive(Debug, Clone)]
pub struct ImageSizes(pub Vec<ImageSize>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RangeStyleArg {
    /// From `length * ratio` to the length: 1 makes all lengths equal.
    Inferencex,
    /// From `length * (1 - ratio)` to `length * (1 + ratio)`, as in `vllm bench serve`: 0 makes all lengths equal.
    Vllm,
}

impl RandomArgs {
    /// A remark about a ratio that has another meaning in `vllm bench serve`.
    pub(super) fn remark(&self) -> Option<String> {
        let is_zero = self.random_range_ratio == Some(0.0);
        (is_zero && self.random_range_ratio_style == RangeStyleArg::Inferencex).then(|| {
            "--random-range-ratio 0 has InferenceX's meaning: lengths from 1 token on; with `--random-range-ratio-style vllm` all lengths are \
             equal, as in `vllm bench serve`"
                .to_owned()
        })
    }

    /// The lengths of requests. `input` and `output`, the options for all data sets, take precedence.
    pub(super) fn lengths(&self, input: Option<NonZeroU32>, output: Option<NonZeroU32>) -> Result<RandomLengths, ArgumentError> {
        let (style, equal) = match self.random_range_ratio_style {
            RangeStyleArg::Inferencex => (RangeStyle::InferenceX, 1.0),
            RangeStyleArg::Vllm => (RangeStyle::Vllm, 0.0),
        };
        Ok(RandomLengths {
            input: input.or(self.random_input_len).unwrap_or(DEFAULT_INPUT),
            output: output.or(self.random_output_len).unwrap_or(DEFAULT_OUTPUT),
            range_ratio: share("--random-range-ratio", self.random_range_ratio.unwrap_or(equal))?,
            range_style: style,
            prefix: self.random_prefix_len,
        })
    }

    pub(super) fn images(&self) -> Result<RandomImages, ArgumentError> {
        let ratio = share("--random-mm-num-mm-items-range-ratio", self.random_mm_num_mm_items_range_ratio)?;
        let base = f64::from(self.random_mm_base_items_per_request);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float saturates, and the limit is applied to it"
        )]
        let (fewest, most) = ((base * (1.0 - ratio)).floor() as u32, (base * (1.0 + ratio)).ceil() as u32);
        let limit = self.random_mm_limit_mm_per_prompt;
        Ok(RandomImages {
            fewest: fewest.min(limit),
            most: most.min(limit),
            sizes: self.random_mm_bucket_config.0.clone(),
        })
    }

    pub(super) fn prefix_repetition(&self, output: Option<NonZeroU32>) -> PrefixRepetition {
        PrefixRepetition {
            prefix: self.prefix_repetition_prefix_len,
            suffix: self.prefix_repetition_suffix_len,
            prefixes: self.prefix_repetition_num_prefixes,
            output: output.unwrap_or(self.prefix_repetition_output_len),
        }
    }
}
