//! Options of the data set that prompts are taken from.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::random::RandomArgs;
use super::settings::{ArgumentError, DEFAULT_PROMPTS, within};
use crate::load::settings::{
    BenchmarkSettings, Dataset, HubDataset, PromptTemplate, Protocol, QuestionSelection, Sessions, SettingsError, SonnetLengths,
};

#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// Data set that prompts are taken from.
    #[arg(long, value_enum, default_value_t = DatasetName::Random)]
    pub dataset_name: DatasetName,
    /// File with the prompts, for all data sets but the random ones; for recorded sessions a file or a folder, for speed_bench the folder
    /// that its script created, for hf the name of the data set, or a folder or file with its data.
    #[arg(long)]
    dataset_path: Option<PathBuf>,
    /// Input tokens of random requests, instead of --random-input-len.
    #[arg(long, visible_alias = "isl")]
    input_len: Option<NonZeroU32>,
    /// Output tokens of each request, instead of the data set's own option.
    #[arg(long, visible_alias = "osl")]
    output_len: Option<NonZeroU32>,
    /// Output tokens of each request; default: the length of the recorded answer.
    #[arg(long)]
    sharegpt_output_len: Option<NonZeroU32>,
    /// Output tokens of requests whose line does not set them.
    #[arg(long, default_value = "256")]
    custom_output_len: NonZeroU32,
    /// Configuration (subset) of a data set of the hub.
    #[arg(long)]
    hf_subset: Option<String>,
    /// Split of a data set of the hub; default: the first that exists of train, test and validation.
    #[arg(long)]
    hf_split: Option<String>,
    /// No effect: the columns of the data are recognised by their names.
    #[arg(long)]
    hf_name: Option<String>,
    /// Output tokens of each request; default: the length of the recorded answer, or 256.
    #[arg(long)]
    hf_output_len: Option<NonZeroU32>,
    /// Maximum prompt length of sonnet in tokens.
    #[arg(long, default_value_t = 550)]
    sonnet_input_len: u32,
    /// Output tokens of each request.
    #[arg(long, default_value = "150")]
    sonnet_output_len: NonZeroU32,
    /// Length of the prefix that all prompts of sonnet share, in tokens.
    #[arg(long, default_value_t = 200)]
    sonnet_prefix_len: u32,
    /// Subset of SPEED-Bench: qualitative, throughput_1k to throughput_32k.
    #[arg(long, default_value = "qualitative")]
    speed_bench_dataset_subset: String,
    /// Category of SPEED-Bench's questions; default: all.
    #[arg(long)]
    speed_bench_category: Option<String>,
    /// Output tokens of each request.
    #[arg(long, default_value = "4096")]
    speed_bench_output_len: NonZeroU32,
    /// Category of Spec-Bench's questions; default: all.
    #[arg(long)]
    spec_bench_category: Option<String>,
    /// Output tokens of each request.
    #[arg(long, default_value = "256")]
    spec_bench_output_len: NonZeroU32,
    /// Tokens per hash id of a trace.
    #[arg(long, default_value_t = NonZeroU32::new(crate::load::dataset::trace::MOONCAKE_BLOCK).unwrap_or(NonZeroU32::MIN))]
    trace_block_size: NonZeroU32,
    /// Number of multi-turn conversations to send instead of single requests.
    #[arg(long, conflicts_with = "num_prompts")]
    pub sessions: Option<NonZeroU32>,
    /// Turns per conversation; recorded conversations are cut to this number.
    #[arg(long, requires = "sessions", default_value = "4")]
    turns: NonZeroU32,
    /// Mean think time between an answer and the next turn in seconds, exponentially distributed.
    #[arg(long, requires = "sessions", default_value_t = 0.0)]
    think_time: f64,
    /// Render each prompt with the chat template of tokenizer_config.json and send it as text; the template's tokens count as input.
    #[arg(long, conflicts_with = "skip_chat_template")]
    use_chat_template: bool,
    /// Render each prompt with the encoding of DeepSeek-V4, whose tokenizer has no chat template.
    #[arg(long, conflicts_with = "skip_chat_template")]
    dsv4: bool,
    /// Send prompts without a chat template; this is the default.
    #[arg(long, visible_alias = "custom-skip-chat-template")]
    skip_chat_template: bool,
    /// Send token ids instead of text.
    #[arg(long)]
    prompt_token_ids: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatasetName {
    /// Random tokens.
    Random,
    /// Conversations in ShareGPT's format, a JSON array.
    Sharegpt,
    /// Custom prompts: JSON lines with `prompt` and, optionally, `output_tokens`.
    Custom,
    /// A data set of the Hugging Face hub.
    Hf,
    /// Random tokens and images of noise, as chat messages.
    #[value(name = "random-mm")]
    RandomMm,
    /// Random tokens after one of several shared prefixes.
    #[value(name = "prefix_repetition", alias = "prefix-repetition")]
    PrefixRepetition,
    /// Lines of a poem, a text file.
    Sonnet,
    /// Random tokens with the lengths of real requests, BurstGPT's CSV file.
    Burstgpt,
    /// Questions of SPEED-Bench, the folder that its script created.
    #[value(name = "speed_bench", alias = "speed-bench")]
    SpeedBench,
    /// Questions of Spec-Bench, its question.jsonl.
    #[value(name = "spec_bench", alias = "spec-bench")]
    SpecBench,
    /// Recorded sessions of several turns: JSON lines with the chat API's `messages`, or with the `requests` of kv-cache-tester's traces;
    /// a file or a folder.
    Recorded,
    /// A trace in Mooncake's format: JSON lines with timestamp, input_length, output_length, hash_ids.
    Mooncake,
}

/// Source and number of a data set's prompts.
enum PromptSource {
    /// Generated without a file, in any number.
    Generated,
    /// Sampled from a file, in any number.
    Sampled,
    /// From a file; all prompts of the file unless a number is given.
    Listed,
    /// From a file that also sets the turns or the arrival times.
    Recorded,
}

impl DatasetName {
    fn source(self) -> PromptSource {
        match self {
            Self::Random | Self::RandomMm | Self::PrefixRepetition => PromptSource::Generated,
            Self::Sharegpt | Self::Sonnet | Self::Burstgpt => PromptSource::Sampled,
            Self::Custom | Self::Hf | Self::SpeedBench | Self::SpecBench => PromptSource::Listed,
            Self::Recorded | Self::Mooncake => PromptSource::Recorded,
        }
    }

    pub fn is_trace(self) -> bool {
        self == Self::Mooncake
    }

    pub fn is_recorded(self) -> bool {
        self == Self::Recorded
    }

    /// Whether the data set gives any number of prompts.
    pub fn has_any_number(self) -> bool {
        match self.source() {
            PromptSource::Generated | PromptSource::Sampled => true,
            PromptSource::Listed | PromptSource::Recorded => false,
        }
    }

    /// Whether the number of prompts is finite, so that `--num-prompts -1` has a meaning.
    pub fn is_finite(self) -> bool {
        match self.source() {
            PromptSource::Generated => false,
            PromptSource::Sampled => self != Self::Sonnet,
            PromptSource::Listed | PromptSource::Recorded => true,
        }
    }
}

impl DatasetArgs {
    pub fn check_protocol(&self, protocol: Protocol, backend: &str) -> Result<(), ArgumentError> {
        if self.prompt_token_ids && !protocol.takes_token_ids() {
            return Err(unsupported("--prompt-token-ids", backend, "its requests carry text only"));
        }
        if self.is_rendered() && !protocol.sends_plain_text() {
            return Err(unsupported(
                if self.dsv4 { "--dsv4" } else { "--use-chat-template" },
                backend,
                "the server applies the template itself",
            ));
        }
        if self.dataset_name == DatasetName::RandomMm && protocol != Protocol::ChatCompletions {
            return Err(unsupported(
                "--dataset-name random-mm",
                backend,
                "images are sent in a chat, with --backend openai-chat",
            ));
        }
        if self.prompt_token_ids && (self.is_rendered() || self.sessions.is_some() || self.dataset_name.is_recorded()) {
            return Err(ArgumentError::Combination(
                "--prompt-token-ids excludes --use-chat-template and conversations, which are sent as text",
            ));
        }
        Ok(())
    }

    /// Whether prompts are rendered with a template.
    fn is_rendered(&self) -> bool {
        self.use_chat_template || self.dsv4
    }

    fn prompt_template(&self) -> PromptTemplate {
        match (self.dsv4, self.use_chat_template) {
            // InferenceX's client has --dsv4 beside --use-chat-template.
            (true, _) => PromptTemplate::DeepSeekV4,
            (false, true) => PromptTemplate::Tokenizer,
            (false, false) => PromptTemplate::None,
        }
    }

    pub fn default_num_prompts(&self) -> NonZeroU32 {
        match (self.dataset_name.source(), self.sessions) {
            (PromptSource::Generated | PromptSource::Sampled, Some(sessions)) => sessions.saturating_mul(self.turns),
            (PromptSource::Generated | PromptSource::Sampled, None) => DEFAULT_PROMPTS,
            (PromptSource::Listed | PromptSource::Recorded, _) => NonZeroU32::MAX,
        }
    }

    pub fn apply(self, random: &RandomArgs, load: &mut BenchmarkSettings) -> Result<(), ArgumentError> {
        load.prompt_template = self.prompt_template();
        load.send_token_ids = self.prompt_token_ids;
        load.sessions = self
            .sessions
            .map(|number| conversations(self.dataset_name, number, self.turns, self.think_time))
            .transpose()?;
        load.dataset = self.into_dataset(random)?;
        Ok(())
    }

    fn into_dataset(self, random: &RandomArgs) -> Result<Dataset, ArgumentError> {
        let Self {
            dataset_name,
            dataset_path,
            input_len,
            output_len,
            sharegpt_output_len,
            custom_output_len,
            hf_subset,
            hf_split,
            hf_name: _,
            hf_output_len,
            sonnet_input_len,
            sonnet_output_len,
            sonnet_prefix_len,
            speed_bench_dataset_subset,
            speed_bench_category,
            speed_bench_output_len,
            spec_bench_category,
            spec_bench_output_len,
            trace_block_size,
            sessions: _,
            turns: _,
            think_time: _,
            use_chat_template: _,
            dsv4: _,
            skip_chat_template: _,
            prompt_token_ids: _,
        } = self;
        if let (PromptSource::Generated, Some(_)) = (dataset_name.source(), &dataset_path) {
            return Err(ArgumentError::Combination(
                "--dataset-path is given, but --dataset-name random reads no file (nor do random-mm and prefix_repetition); expected sharegpt, \
                 custom, hf, sonnet, burstgpt, speed_bench, spec_bench, recorded or mooncake",
            ));
        }
        Ok(match dataset_name {
            DatasetName::Random => Dataset::Random(random.lengths(input_len, output_len)?),
            DatasetName::RandomMm => Dataset::RandomImages(random.lengths(input_len, output_len)?, random.images()?),
            DatasetName::PrefixRepetition => Dataset::PrefixRepetition(random.prefix_repetition(output_len)),
            DatasetName::Sharegpt => Dataset::ShareGpt {
                path: required(dataset_path)?,
                output: output_len.or(sharegpt_output_len),
            },
            DatasetName::Custom => Dataset::Jsonl {
                path: required(dataset_path)?,
                output: output_len.unwrap_or(custom_output_len),
            },
            DatasetName::Sonnet => Dataset::Sonnet {
                path: required(dataset_path)?,
                lengths: SonnetLengths {
                    input: input_len.map_or(sonnet_input_len, NonZeroU32::get),
                    output: output_len.unwrap_or(sonnet_output_len).get(),
                    prefix: sonnet_prefix_len,
                },
            },
            DatasetName::Burstgpt => Dataset::BurstGpt {
                path: required(dataset_path)?,
            },
            DatasetName::SpeedBench => Dataset::Questions {
                path: required(dataset_path)?.join(format!("{speed_bench_dataset_subset}.jsonl")),
                selection: QuestionSelection {
                    category: speed_bench_category,
                    output: output_len.unwrap_or(speed_bench_output_len),
                },
            },
            DatasetName::SpecBench => Dataset::Questions {
                path: required(dataset_path)?,
                selection: QuestionSelection {
                    category: spec_bench_category,
                    output: output_len.unwrap_or(spec_bench_output_len),
                },
            },
            DatasetName::Hf => Dataset::Hub(HubDataset {
                id: required(dataset_path)?.display().to_string(),
                config: hf_subset,
                split: hf_split,
                output: output_len.or(hf_output_len),
            }),
            DatasetName::Recorded => Dataset::Recorded {
                path: required(dataset_path)?,
            },
            DatasetName::Mooncake => Dataset::Trace {
                path: required(dataset_path)?,
                block: trace_block_size,
            },
        })
    }
}

impl DatasetArgs {
    /// Whether the prompts can be sent both as completions and as chat completions.
    pub(super) fn suits_any_protocol(&self) -> bool {
        !self.prompt_token_ids && !self.is_rendered() && self.dataset_name != DatasetName::RandomMm
    }

    /// Whether random words can replace the prompts if no tokenizer is found.
    pub(super) fn allows_word_prompts(&self) -> bool {
        self.dataset_name == DatasetName::Random && self.sessions.is_none() && self.suits_any_protocol()
    }

    /// Whether no option of the data set is given except lengths.
    pub(super) fn is_unset(&self) -> bool {
        self.allows_word_prompts() && self.dataset_path.is_none()
    }

    /// Sets the input length unless it is given.
    pub(super) fn default_input_len(&mut self, tokens: NonZeroU32) {
        self.input_len.get_or_insert(tokens);
    }
}

pub fn unsupported(asked: &'static str, backend: &str, why: &'static str) -> ArgumentError {
    let backend = backend.to_owned();
    SettingsError::Unsupported { asked, backend, why }.into()
}

fn required(dataset_path: Option<PathBuf>) -> Result<PathBuf, ArgumentError> {
    dataset_path.ok_or(ArgumentError::Combination(
        "--dataset-path is missing: it names the file that --dataset-name reads",
    ))
}

fn conversations(dataset: DatasetName, number: NonZeroU32, turns: NonZeroU32, think_time: f64) -> Result<Sessions, ArgumentError> {
    if !matches!(dataset, DatasetName::Random | DatasetName::Sharegpt) {
        return Err(ArgumentError::Combination(
            "--sessions, the number of conversations, needs --dataset-name random or sharegpt",
        ));
    }
    let is_valid = (0.0..=1e7).contains(&think_time);
    let think_time = within("--think-time", think_time, is_valid, "seconds, 0 or more")?;
    Ok(Sessions {
        number,
        turns,
        think_time: Duration::from_secs_f64(think_time),
    })
}
