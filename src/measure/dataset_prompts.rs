//! Prompts of the data sets of `vllm bench serve` that `prompts` does not make itself: images, sonnets, questions.

use std::num::NonZeroU32;

use super::measurement::MeasureError;
use super::prompts::{Materials, in_parallel};
use crate::load::dataset::images::{RandomImages, data_urls};
use crate::load::dataset::questions::Question;
use crate::load::dataset::sonnet::{Poem, SonnetLengths};
use crate::load::prompt::{Content, Prompt, RandomPrompts};
use crate::load::shard::Shard;
use crate::load::{BenchmarkSettings, TokenizerError};
use crate::model::saturating;
use crate::system::cancellation::Cancellation;

/// Output tokens of questions without a recorded answer: 256, as in `vllm bench serve`.
const USUAL_OUTPUT: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// Random prompts with images.
pub fn with_images(
    maker: &RandomPrompts<'_>,
    images: &RandomImages,
    shard: Shard,
    count: usize,
    stop: &Cancellation,
) -> Result<Vec<Prompt>, MeasureError> {
    in_parallel(shard, count, stop, |index| {
        let prompt = maker.make(index as u64)?;
        let urls = data_urls(images, maker.seed(), index as u64).map_err(|error| TokenizerError::Coding(error.to_string()))?;
        Ok(Prompt {
            content: Content::Images(prompt.content.plain_text(), urls),
            ..prompt
        })
    })
}

/// Prompts of a poem's lines.
pub fn of_poem(
    settings: &BenchmarkSettings,
    materials: &Materials,
    poem: &Poem,
    lengths: SonnetLengths,
    count: usize,
    stop: &Cancellation,
) -> Result<Vec<Prompt>, MeasureError> {
    in_parallel(settings.shard, count, stop, |index| {
        let text = poem.text(materials.tokenizer()?, settings.seed, index as u64)?;
        materials.listed(settings, &text, lengths.output)
    })
}

/// Makes `count` prompts of questions, repeating them if there are fewer. The output length is `output`, else that of the recorded
/// answer.
pub fn of_questions(
    settings: &BenchmarkSettings,
    materials: &Materials,
    questions: &[Question],
    output: Option<NonZeroU32>,
    count: usize,
    stop: &Cancellation,
) -> Result<Vec<Prompt>, MeasureError> {
    in_parallel(settings.shard, count, stop, |index| {
        let question = &questions[index % questions.len()];
        let wanted = match (output, &question.answer) {
            (Some(output), _) => output.get(),
            (None, Some(answer)) => saturating::to_u32(materials.tokenizer()?.count(answer)?).max(1),
            (None, None) => USUAL_OUTPUT.get(),
        };
        materials.listed(settings, &question.text, wanted)
    })
}
