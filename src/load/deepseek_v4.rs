//! The prompt encoding of DeepSeek-V4, whose tokenizer has no chat template: special tokens around the messages, and after the last
//! question the start of an answer that begins with thinking. The thinking of earlier answers is not part of a prompt. Tools and response
//! formats, which no load has, are left out.
//! Source of the format: the encoding that comes with the model, <https://huggingface.co/deepseek-ai/DeepSeek-V4-Pro>.

use chrono::{DateTime, Utc};

use super::chat_template::{ChatTemplate, ChatTemplateError};

const BOS: &str = "<｜begin▁of▁sentence｜>";
const EOS: &str = "<｜end▁of▁sentence｜>";

/// An answer starts behind a question that an answer follows, and behind the last message. Before the last question it has no thinking.
const TEMPLATE: &str = "\
{%- set found = namespace(last=-1) -%}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}{%- set found.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message.role == 'user' -%}{{- '<｜User｜>' -}}{%- endif -%}
  {{- message.content -}}
  {%- if message.role == 'assistant' -%}{{- eos_token -}}{%- endif -%}
  {%- if message.role == 'user' and (loop.last or messages[loop.index0 + 1].role == 'assistant') -%}
    {{- '<｜Assistant｜>' -}}{{- '<think>' if loop.index0 >= found.last else '</think>' -}}
  {%- endif -%}
{%- endfor -%}";

/// The encoding as a chat template.
///
/// # Errors
/// None in practice: the template is a constant.
pub fn deepseek_v4(now: DateTime<Utc>) -> Result<ChatTemplate, ChatTemplateError> {
    ChatTemplate::new(TEMPLATE, BOS, EOS, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::prompt::{Message, Role};

    fn said(role: Role, text: &str) -> Message {
        Message {
            role,
            text: text.to_owned(),
        }
    }

    #[test]
    fn question_starts_an_answer_that_thinks() {
        let template = deepseek_v4(DateTime::UNIX_EPOCH).unwrap();
        let one = template.render(&[Message::of_user(" a {{b}}\n")]).unwrap();
        assert_eq!(one, "<｜begin▁of▁sentence｜><｜User｜> a {{b}}\n<｜Assistant｜><think>");
        let several = [
            said(Role::System, "be brief"),
            said(Role::User, "1+1"),
            said(Role::Assistant, "2"),
            said(Role::User, "2+2"),
        ];
        assert_eq!(
            template.render(&several).unwrap(),
            "<｜begin▁of▁sentence｜>be brief<｜User｜>1+1<｜Assistant｜></think>2<｜end▁of▁sentence｜><｜User｜>2+2<｜Assistant｜><think>"
        );
    }
}
