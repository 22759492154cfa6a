//! Chat templates of `tokenizer_config.json`, rendered as the transformers library does
//! (<https://huggingface.co/docs/transformers/chat_templating_writing>): Jinja with the methods of Python's strings and
//! dictionaries, `raise_exception`, `strftime_now`, the special tokens, and no tools.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::Deserialize;

use super::prompt::Message;
use crate::model::{fenced, saturating};

/// A chat template that has been checked by rendering it once.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos_token: String,
    eos_token: String,
    /// The numbers that `range` gave in the current rendering.
    range_numbers: Arc<AtomicU64>,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatTemplateError {
    /// The file is not a tokenizer's configuration.
    #[error("tokenizer_config.json cannot be read: {0}")]
    Config(String),
    /// The template is invalid, or raises an error for a conversation.
    #[error("the chat template cannot be rendered: {0}")]
    Template(String),
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate").field("source", &self.source.len()).finish()
    }
}

#[derive(Deserialize)]
struct Config {
    chat_template: Option<Templates>,
    bos_token: Option<SpecialToken>,
    eos_token: Option<SpecialToken>,
}

/// One template, or several with names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Several(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

/// A token as a string, or as an object with its `content`.
#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

impl SpecialToken {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}

impl ChatTemplate {
    /// The template of a `tokenizer_config.json`. `separate` is the text of a `chat_template.jinja` beside it, which takes
    /// precedence. `None` if there is neither. `now` is the time that `strftime_now` formats.
    ///
    /// # Errors
    /// [`ChatTemplateError`] if the file or the template is wrong.
    pub fn from_config(config: &[u8], separate: Option<&str>, now: DateTime<Utc>) -> Result<Option<Self>, ChatTemplateError> {
        let config: Config = serde_json::from_slice(config).map_err(|error| ChatTemplateError::Config(error.to_string()))?;
        let inside = config.chat_template.and_then(|templates| match templates {
            Templates::One(template) => Some(template),
            Templates::Several(several) => {
                let default = several.iter().position(|named| named.name == "default").unwrap_or(0);
                several.into_iter().nth(default).map(|named| named.template)
            }
        });
        let bos = config.bos_token.map_or_else(String::new, SpecialToken::into_text);
        let eos = config.eos_token.map_or_else(String::new, SpecialToken::into_text);
        let source = separate.map(str::to_owned).or(inside);
        source.map(|source| Self::new(&source, &bos, &eos, now)).transpose()
    }

    /// Creates a template with the texts of its special tokens, and checks it by rendering one user message.
    ///
    /// # Errors
    /// [`ChatTemplateError::Template`] if the template is invalid or the check fails.
    pub fn new(source: &str, bos_token: &str, eos_token: &str, now: DateTime<Utc>) -> Result<Self, ChatTemplateError> {
        let mut environment = Environment::new();
        // transformers sets the same two options.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| template_error(&error))?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        let items = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&items);
        environment.add_function("range", move |lower: isize, upper: Option<isize>, step: Option<isize>| {
            counted_range(&counted, lower, upper, step)
        });
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", move |format: String| -> Result<String, Error> {
            let mut text = String::new();
            write!(text, "{}", now.format(&format))
                .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("invalid time format {format:?}")))?;
            Ok(text)
        });
        let template = Self {
            environment,
            // `generation` is an extension of transformers that marks text for training; Jinja does not know it.
            source: source.replace("{% generation %}", "").replace("{% endgeneration %}", ""),
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
            range_numbers: items,
        };
        template.render(&[Message::of_user("a")])?;
        Ok(template)
    }

    /// The text of a conversation, followed by the generation prompt (the start of the answer).
    ///
    /// # Errors
    /// [`ChatTemplateError::Template`] if rendering fails, for example by `raise_exception`.
    pub fn render(&self, messages: &[Message]) -> Result<String, ChatTemplateError> {
        let variables = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => true,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
            tools => Value::from(()),
            documents => Value::from(()),
        };
        self.range_numbers.store(0, Ordering::Relaxed);
        // minijinja 3.0.5 adds to the column of a syntax error, 16 bits; after 65,535 characters of a line that panics where overflows are
        // checked.
        let rendered = fenced(|| self.environment.render_str(&self.source, variables));
        rendered
            .map_err(|panic| ChatTemplateError::Template(panic.to_string()))?
            .map_err(|error| template_error(&error))
    }
}

fn template_error(error: &Error) -> ChatTemplateError {
    ChatTemplateError::Template(error.to_string())
}

/// Most spaces of a level of JSON. A template is a file of others: a larger number would fill the memory.
const MOST_INDENT: usize = 16;

/// Most numbers that a rendering may ask of `range`, all calls together: nested loops over it would not end in a lifetime. Real templates
/// count messages. The library's own limit is for one call, and its limit of instructions (`fuel`) needs features that templates of
/// models do not.
const MOST_NUMBERS: u64 = 100_000;

fn counted_range(counted: &AtomicU64, lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    let numbers = minijinja::functions::range(lower, upper, step)?;
    let length = numbers.len().map_or(0, saturating::to_u64);
    if counted.fetch_add(length.max(1), Ordering::Relaxed) >= MOST_NUMBERS {
        let message = format!("more than {MOST_NUMBERS} numbers of range() in a conversation");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    Ok(numbers)
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn bad_serialization(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, error.to_string())
}

/// The filter `tojson` as in transformers: unlike that of Jinja, it does not escape for HTML.
#[expect(clippy::needless_pass_by_value, reason = "the form that a filter must have")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // The other options of Python's `json.dumps` change the formatting only. Templates use them for tool definitions, which are
    // never sent, so they are ignored.
    for ignored in ["ensure_ascii", "sort_keys", "separators"] {
        let _ = options.get::<Option<Value>>(ignored)?;
    }
    options.assert_all_used()?;
    let text = match indent {
        None => serde_json::to_string(value).map_err(bad_serialization)?,
        Some(spaces) => {
            if spaces > MOST_INDENT {
                let message = format!("tojson: indent {spaces}, expected at most {MOST_INDENT}");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
            let spaces = vec![b' '; spaces];
            let mut bytes = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(&spaces);
            let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
            serde::Serialize::serialize(value, &mut serializer).map_err(bad_serialization)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    Ok(Value::from_safe_string(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::prompt::Role;

    fn conversation() -> Vec<Message> {
        let said = |role, text: &str| Message {
            role,
            text: text.to_owned(),
        };
        vec![said(Role::User, " hi "), said(Role::Assistant, "yes?"), said(Role::User, "bye")]
    }

    #[test]
    fn templates_without_end_are_refused() {
        for source in [
            "{{ messages | tojson(indent=9223372036854775807) }}",
            "{% for i in range(9999) %}{% for j in range(9999) %}{% set x = i %}{% endfor %}{% endfor %}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
    }

    fn render(source: &str) -> Result<String, ChatTemplateError> {
        ChatTemplate::new(source, "<s>", "</s>", DateTime::UNIX_EPOCH)?.render(&conversation())
    }

    #[test]
    fn library_that_counts_past_its_columns_is_an_error() {
        let source = format!("{{{{ {} 'not closed", "m".repeat(70_000));
        assert!(render(&source).is_err());
    }

    #[test]
    fn renders_templates_of_real_models() {
        for (source, expected) in [
            // Like the template of Llama: index, strip, special tokens.
            (
                "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
                 {{ raise_exception('roles must alternate') }}{% endif %}\
                 {% if message['role'] == 'user' %}{{ '[INST] ' + message['content'].strip() + ' [/INST]' }}\
                 {% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}",
                "<s>[INST] hi [/INST] yes?</s>[INST] bye [/INST]",
            ),
            // Like the template of ChatML, with blocks on lines of their own.
            (
                "{%- for message in messages %}\n{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n\
                 {%- if add_generation_prompt %}\n{{- '<|im_start|>assistant\\n' }}\n{%- endif %}",
                "<|im_start|>user\n hi <|im_end|>\n<|im_start|>assistant\nyes?<|im_end|>\n<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n",
            ),
            (
                "{% if tools %}tools{% else %}{{ strftime_now('%d %b %Y') }}{% endif %}",
                "01 Jan 1970",
            ),
            (
                "{{ messages[1:] | length }}{{ messages[-1].content.upper() }}{{ 'a<b' | tojson }}",
                "2BYE\"a<b\"",
            ),
            (
                "{% set ns = namespace(last='') %}{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}\
                 {% set ns.last = m.content %}{% endfor %}{{ ns.last }}{% if tools is not none and tools is defined %}x{% endif %}",
                "bye",
            ),
            (
                "{% macro turn(m) %}<{{ m.role }}>{{ m.content.split('i')[0] }}{% endmacro %}{{ turn(messages[0]) }}{% generation %}.{% endgeneration %}",
                "<user> h.",
            ),
        ] {
            assert_eq!(render(source), Ok(expected.to_owned()), "{source}");
        }
    }

    #[test]
    fn template_exception_is_reported() {
        let error = render("{{ raise_exception('only one turn') }}").unwrap_err().to_string();
        assert!(error.contains("only one turn"), "{error}");
        assert!(render("{% if %}").is_err());
        assert!(render("{{ strftime_now('%!') }}").is_err());
    }

    #[test]
    fn the_configuration_has_one_or_several_or_none() {
        let read = |config: &str, separate: Option<&str>| {
            let template = ChatTemplate::from_config(config.as_bytes(), separate, DateTime::UNIX_EPOCH);
            template.map(|template| template.map(|template| template.render(&conversation()).unwrap()))
        };
        let one = r#"{"chat_template":"{{ bos_token }}{{ eos_token }}","bos_token":"<b>","eos_token":{"content":"<e>","lstrip":false}}"#;
        assert_eq!(read(one, None).unwrap().unwrap(), "<b><e>");
        assert_eq!(read(one, Some("other")).unwrap().unwrap(), "other");
        let several = r#"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}],"bos_token":null}"#;
        assert_eq!(read(several, None).unwrap().unwrap(), "d");
        assert_eq!(read("{}", None), Ok(None));
        assert!(matches!(read("[", None), Err(ChatTemplateError::Config(_))));
    }
}
