//! Questions of public data sets: JSON lines in the formats of SPEED-Bench (<https://huggingface.co/datasets/nvidia/SPEED-Bench>)
//! and Spec-Bench (<https://github.com/hemingkx/Spec-Bench>) and rows of data sets of the Hugging Face hub, whose column names
//! vary.

use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{DatasetError, lines};

/// A question, and its answer if the data set has one. The length of the answer is the output length to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Text of the question.
    pub text: String,
    /// The recorded answer.
    pub answer: Option<String>,
}

/// Which lines of a file become requests, and their output length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionSelection {
    /// Required value of `category`; `None` selects all lines.
    pub category: Option<String>,
    /// Output tokens of each request.
    pub output: NonZeroU32,
}

#[derive(Deserialize)]
struct Line {
    category: Option<String>,
    #[serde(flatten)]
    columns: Map<String, Value>,
}

/// The first question of each line, in file order.
///
/// # Errors
/// [`DatasetError`] naming the line, or the existing categories.
pub fn of_lines(text: &str, category: Option<&str>) -> Result<Vec<Question>, DatasetError> {
    let found: Vec<(usize, Line)> = lines(text)?;
    let mut questions = Vec::new();
    for (number, line) in &found {
        if category.is_some_and(|wanted| line.category.as_deref() != Some(wanted)) {
            continue;
        }
        let question = of_row(&line.columns).map_err(|problem| DatasetError::Line { line: *number, problem })?;
        questions.push(question);
    }
    if questions.is_empty() {
        return Err(DatasetError::Empty(match category {
            None => "there is no question in it".to_owned(),
            Some(wanted) => no_category(wanted, &found),
        }));
    }
    Ok(questions)
}

fn no_category(wanted: &str, found: &[(usize, Line)]) -> String {
    let mut known: Vec<&str> = found.iter().filter_map(|(_, line)| line.category.as_deref()).collect();
    known.sort_unstable();
    known.dedup();
    format!("no line has category {wanted:?}; there are {}", known.join(", "))
}

/// Names of columns with conversations, questions and answers, each in the order in which they are tried.
const CONVERSATIONS: [&str; 3] = ["conversations", "conversation", "messages"];
const QUESTIONS: [&str; 6] = ["prompt", "problem", "question", "instruction", "input", "text"];
const ANSWERS: [&str; 7] = [
    "solution",
    "answer",
    "response",
    "completion",
    "output",
    "canonical_solution",
    "chosen",
];

/// Finds the question of a row by the names of its columns.
///
/// # Errors
/// A message that names the columns of the row and those expected, or what else is wrong.
pub fn of_row(row: &Map<String, Value>) -> Result<Question, String> {
    if let Some(column) = image_column(row) {
        return Err(format!(
            "column `{column}` has an image; images of data sets cannot be sent, only those of --dataset-name random-mm"
        ));
    }
    if let Some(said) = CONVERSATIONS.iter().find_map(|name| row.get(*name)?.as_array()) {
        let mut texts = said.iter().filter(|said| !is_system(said)).filter_map(said_text);
        let text = texts.next().ok_or("a conversation without a question")?;
        return Ok(Question {
            text: text.to_owned(),
            answer: texts.next().map(str::to_owned),
        });
    }
    if let Some(first) = row.get("turns").and_then(|turns| turns.as_array()?.first()?.as_str()) {
        return Ok(Question {
            text: first.to_owned(),
            answer: None,
        });
    }
    let Some(question) = QUESTIONS.iter().find_map(|name| text(row, name)) else {
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        return Err(format!(
            "no column with a question: there are {}; expected one of {}, turns, {}",
            columns.join(", "),
            CONVERSATIONS.join(", "),
            QUESTIONS.join(", ")
        ));
    };
    // Instruction data sets have the text that the instruction refers to in a column of its own.
    let question = match (text(row, "instruction"), text(row, "input")) {
        (Some(instruction), Some(input)) if question == instruction => format!("{input}\n\n{instruction}"),
        (Some(_) | None, Some(_) | None) => question.to_owned(),
    };
    Ok(Question {
        text: question,
        answer: ANSWERS.iter().find_map(|name| text(row, name)).map(str::to_owned),
    })
}

fn is_system(said: &Value) -> bool {
    ["role", "from"]
        .iter()
        .any(|key| said.get(key).and_then(Value::as_str) == Some("system"))
}

fn said_text(said: &Value) -> Option<&str> {
    said.as_str()
        .or_else(|| ["content", "value"].iter().find_map(|key| said.get(key)?.as_str()))
}

/// The text of a column that is not blank.
fn text<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    row.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

fn image_column(row: &Map<String, Value>) -> Option<&str> {
    let names = ["image", "images", "video", "videos", "audio"];
    names.into_iter().find(|name| match row.get(*name) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn row(text: &str) -> Result<(String, Option<String>), String> {
        let row: Map<String, Value> = serde_json::from_str(text).unwrap();
        of_row(&row).map(|question| (question.text, question.answer))
    }

    #[test]
    fn questions_are_found_by_the_names_of_columns() {
        for (text, question, answer) in [
            (r#"{"problem":"p","solution":"s","answer":"a"}"#, "p", Some("s")),
            (r#"{"question":"q","answer":"a"}"#, "q", Some("a")),
            (r#"{"turns":["t1","t2"],"category":"c"}"#, "t1", None),
            (r#"{"prompt":"def f():","canonical_solution":"1"}"#, "def f():", Some("1")),
            (
                r#"{"instruction":"make it short","input":"a b c","output":"a"}"#,
                "a b c\n\nmake it short",
                Some("a"),
            ),
            (r#"{"instruction":"say hi","input":"","output":"hi"}"#, "say hi", Some("hi")),
            (
                r#"{"conversations":[{"from":"system","value":"x"},{"from":"human","value":"h"},{"from":"gpt","value":"g"}]}"#,
                "h",
                Some("g"),
            ),
            (r#"{"messages":[{"role":"user","content":"u"}],"image":null}"#, "u", None),
        ] {
            assert_eq!(row(text), Ok((question.to_owned(), answer.map(str::to_owned))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let error = row(r#"{"images":[{"bytes":"x"}],"question":"q"}"#).unwrap_err();
        assert!(error.contains("`images`"), "{error}");
        let error = row(r#"{"a":1,"b":"x"}"#).unwrap_err();
        assert!(error.contains("there are a, b; expected one of conversations"), "{error}");
    }

    #[test]
    fn lines_are_selected_by_category() {
        let text =
            "{\"category\":\"math\",\"turns\":[\"1+1\"]}\n{\"category\":\"qa\",\"messages\":[{\"role\":\"user\",\"content\":\"who?\"}]}\n";
        let asked = |category| of_lines(text, category).map(|found| found.into_iter().map(|question| question.text).collect::<Vec<_>>());
        assert_eq!(asked(None).unwrap(), ["1+1", "who?"]);
        assert_eq!(asked(Some("qa")).unwrap(), ["who?"]);
        let error = asked(Some("rag")).unwrap_err().to_string();
        assert_eq!(error, "no line has category \"rag\"; there are math, qa");
        assert_eq!(
            of_lines("{\"turns\":[]}", None).unwrap_err().to_string().split(':').next(),
            Some("line 1")
        );
    }
}
