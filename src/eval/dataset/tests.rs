//! Files of every format, and the selection of a repository's files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::*;

fn rows(file: &str, bytes: &[u8]) -> Value {
    let documents = read(file, Format::of_name(file).unwrap(), bytes).unwrap();
    Value::Array(documents.into_iter().map(Value::Object).collect())
}

fn parquet_file() -> Vec<u8> {
    let schema = "message row { REQUIRED BINARY question (UTF8); REQUIRED INT64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<ByteArrayType>()
        .write_batch(&[ByteArray::from("a?"), ByteArray::from("b?")], None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 2], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn every_format_is_parsed_to_records() {
    let expected = json!([{ "question": "a?", "label": 1 }, { "question": "b?", "label": 2 }]);
    assert_eq!(
        rows(
            "x.jsonl",
            b"{\"question\": \"a?\", \"label\": 1}\n\n{\"question\": \"b?\", \"label\": 2}\n"
        ),
        expected
    );
    assert_eq!(rows("x.json", expected.to_string().as_bytes()), expected);
    assert_eq!(rows("x.csv", b"question,label\na?,1\n\"b?\",2\n"), expected);
    assert_eq!(rows("x.parquet", &parquet_file()), expected);
}

#[test]
fn missing_column_is_null() {
    assert_eq!(
        rows("x.jsonl", b"{\"a\": 1}\n{\"b\": 2}"),
        json!([{ "a": 1, "b": null }, { "a": null, "b": 2 }])
    );
    assert_eq!(
        rows("x.csv", b"n,t\n1,x\n,\n2.5,3\n"),
        json!([{ "n": 1.0, "t": "x" }, { "n": null, "t": null }, { "n": 2.5, "t": "3" }])
    );
}

#[test]
fn invalid_files_are_refused_with_place() {
    for (file, bytes, said) in [
        ("x.jsonl", &b"{\"a\": 1}\n{oops"[..], "line 2"),
        ("x.jsonl", b"{\"a\": 1}\n[1]", "line 2 is not an object"),
        ("x.json", b"[1]", "item 1 is not an object"),
        ("x.csv", b"a,b\n1\n", "x.csv"),
        ("x.parquet", b"PAR1", "x.parquet"),
    ] {
        let error = read(file, Format::of_name(file).unwrap(), bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{file}: {error}");
    }
}

fn chosen(files: &[&str], readme: Option<&str>, config: Option<&str>, split: &str) -> Result<Vec<String>, String> {
    let files: Vec<String> = files.iter().map(|name| (*name).to_owned()).collect();
    choose(&files, readme, config, split).map_err(|error| error.to_string())
}

#[test]
fn readme_selects_the_files() {
    let readme = "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n    path: main/test-*\n\
                  - config_name: diamond\n  data_files: diamond.csv\n---\n# Text\n";
    let files = [
        "README.md",
        "main/test-00000-of-00001.parquet",
        "main/train-00000-of-00001.parquet",
        "diamond.csv",
    ];
    let of = |config, split| chosen(&files, Some(readme), config, split);
    assert_eq!(of(Some("main"), "test").unwrap(), ["main/test-00000-of-00001.parquet"]);
    assert_eq!(of(None, "train").unwrap(), ["main/train-00000-of-00001.parquet"]);
    assert_eq!(of(Some("diamond"), "train").unwrap(), ["diamond.csv"]);
    let error = of(Some("socratic"), "test").unwrap_err();
    assert!(error.contains("the configurations are main, diamond"), "{error}");
    let error = of(Some("main"), "dev").unwrap_err();
    assert!(error.contains("the splits are train, test"), "{error}");
}

#[test]
fn without_a_readme_file_names_select_the_split() {
    let files = ["a/train.jsonl", "a/test.jsonl", "b/test.jsonl", "b/dev-1.jsonl", "note.txt"];
    let of = |config, split| chosen(&files, None, config, split).unwrap();
    assert_eq!(of(Some("a"), "test"), ["a/test.jsonl"]);
    assert_eq!(of(None, "test"), ["a/test.jsonl", "b/test.jsonl"]);
    assert_eq!(of(Some("b"), "validation"), ["b/dev-1.jsonl"]);
    assert_eq!(chosen(&["x.csv"], None, None, "train").unwrap(), ["x.csv"]);
    assert!(chosen(&["x.csv"], None, None, "test").is_err());
    assert!(chosen(&["note.txt"], None, None, "train").unwrap_err().contains("none is JSON"));
}
