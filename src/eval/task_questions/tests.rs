//! Prompts. Expected texts are those of lm-eval 0.4.13 for the same task files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use serde_json::json;

use super::*;
use crate::eval::task;
use crate::model::SourceFile;

fn task_of(more: &str) -> Task {
    let base = "task: t\ndataset_path: json\ndataset_kwargs: {data_files: x.jsonl}\n";
    task::read(&SourceFile::new("t.yaml", format!("{base}{more}"))).unwrap()
}

fn documents(count: i64) -> Vec<Document> {
    (0..count)
        .map(|number| {
            json!({ "q": format!("q{number}"), "a": format!("a{number}") })
                .as_object()
                .unwrap()
                .clone()
        })
        .collect()
}

fn task_questions(
    more: &str,
    documents_: Vec<Document>,
    examples: Vec<Document>,
    num_fewshot: usize,
) -> Result<TaskQuestions, QuestionError> {
    let choices = Choices {
        num_fewshot: Some(num_fewshot),
        limit: None,
    };
    TaskQuestions::new(&task_of(more), documents_, examples, choices)
}

const PLAIN: &str = "test_split: test\nfewshot_split: train\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: a\n";

#[test]
fn prompt_is_description_examples_and_question() {
    let more = format!("{PLAIN}description: \"Do.\\n\"\n");
    let task_questions = task_questions(&more, documents(2), documents(100), 2).unwrap();
    // random.Random(1234).sample(range(100), 2), and once more for the second question.
    let expected = "Do.\nQ: q99\nA: a99\n\nQ: q56\nA: a56\n\nQ: q0\nA:";
    assert_eq!(as_text(&task_questions.questions[0].messages), expected);
    assert_eq!(task_questions.questions[0].right, ["a0"]);
    let roles: Vec<_> = task_questions.questions[0]
        .messages
        .iter()
        .map(|message| message.role.as_str())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant", "user"]);
    let single = as_single_turn(&task_questions.questions[0].messages);
    assert_eq!((single.len(), single[1].content.as_str()), (2, &expected[4..]));
    assert_ne!(task_questions.questions[0].messages[1], task_questions.questions[1].messages[1]);
}

#[test]
fn question_is_never_its_own_example() {
    let more = PLAIN.replace("fewshot_split: train", "fewshot_split: test");
    let all = task_questions(&more, documents(6), documents(6), 5).unwrap();
    for question in &all.questions {
        let own = format!("Q: q{}\nA:", question.id);
        assert_eq!(question.messages.iter().filter(|message| message.content == own).count(), 1);
        assert_eq!(question.messages.len(), 11);
    }
    let first = task_questions(
        &format!("{more}fewshot_config: {{sampler: first_n}}\n"),
        documents(3),
        documents(3),
        2,
    )
    .unwrap();
    assert_eq!(as_text(&first.questions[1].messages), "Q: q0\nA: a0\n\nQ: q2\nA: a2\n\nQ: q1\nA:");
    let error = task_questions(&more, documents(2), documents(2), 2).unwrap_err();
    assert!(error.to_string().contains("--num-fewshot"), "{error}");
}

#[test]
fn task_file_with_zero_examples_keeps_zero() {
    let task_questions = task_questions(&format!("{PLAIN}num_fewshot: 0\n"), documents(1), documents(9), 5).unwrap();
    assert_eq!((task_questions.num_fewshot, task_questions.questions[0].messages.len()), (0, 1));
}

#[test]
fn targets_are_texts_lists_and_choices() {
    let document = json!({ "q": "q", "n": 3, "l": ["x", "y"], "c": ["one", "two"], "i": 1, "a b": " z " });
    let right = |target: &str| {
        let more = format!("test_split: test\ndoc_to_text: q\n{target}\n");
        let task_questions = task_questions(&more, vec![document.as_object().unwrap().clone()], Vec::new(), 0);
        task_questions
            .map(|task_questions| task_questions.questions[0].right.clone())
            .map_err(|error| error.to_string())
    };
    for (target, expected) in [
        ("doc_to_target: n", &["3"][..]),
        ("doc_to_target: l", &["x", "y"]),
        ("doc_to_target: \"{{l}}\"", &["x", "y"]),
        ("doc_to_target: \"[{{q}}]\"", &["[q]"]),
        ("doc_to_target: i\ndoc_to_choice: c", &["two"]),
        ("doc_to_target: \"{{i}}\"\ndoc_to_choice: [a, b]", &["b"]),
        ("doc_to_target: 0\ndoc_to_choice: \"{{c}}\"", &["one"]),
        ("doc_to_target: -1\ndoc_to_choice: {x: first, y: last}", &["last"]),
        ("doc_to_target: z\nprocess_docs: {z: \"{{ doc['a b'].strip() }}\"}", &["z"]),
    ] {
        assert_eq!(right(target).unwrap(), expected, "{target}");
    }
    let error = right("doc_to_target: 7\ndoc_to_choice: c").unwrap_err();
    assert!(error.contains("document 0: `doc_to_target` is 7"), "{error}");
    let error = right("doc_to_target: \"{{nothing}}\"").unwrap_err();
    assert!(error.contains("nothing"), "{error}");
}
