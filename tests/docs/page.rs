//! Markdown files of this project, and the fenced blocks in them.

use std::path::{Path, PathBuf};

use super::harness::project;

/// A page, read.
pub struct Page {
    /// Its path in the project, with `/`.
    pub name: String,
    pub text: String,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// The word after the fence.
    pub language: String,
    /// The comment on the line above the fence, without `<!--` and `-->`.
    pub marker: Option<String>,
    pub text: String,
}

/// The pages that readers see: the documentation, the examples' and those in the project's root.
pub fn pages() -> Vec<Page> {
    let mut files = Vec::new();
    for folder in ["docs", "examples"] {
        collect(&project().join(folder), &mut files);
    }
    for name in ["README.md", "CONTRIBUTING.md"] {
        files.push(project().join(name));
    }
    files.sort();
    assert!(files.len() > 20, "only {} pages found", files.len());
    files.iter().map(|file| Page::read(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

impl Page {
    pub fn read(file: &Path) -> Self {
        Self {
            name: file.strip_prefix(project()).unwrap().to_string_lossy().replace('\\', "/"),
            text: std::fs::read_to_string(file).unwrap(),
        }
    }

    /// The fenced blocks, in their order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_open = false;
        let mut before = "";
        for (index, line) in self.text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                if !is_open {
                    blocks.push(Block {
                        line: index + 1,
                        language: language.trim().to_owned(),
                        marker: comment(before),
                        text: String::new(),
                    });
                }
                is_open = !is_open;
            } else if is_open {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            before = line;
        }
        assert!(!is_open, "{}: a fence is not closed", self.name);
        blocks
    }

    /// The text outside of fenced blocks.
    pub fn prose(&self) -> String {
        let mut is_open = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_open = !is_open;
            } else if !is_open {
                prose.push_str(line);
            }
            prose.push('\n');
        }
        prose
    }

    /// The comment `<!-- NAME: value -->` on a line of its own.
    pub fn setting(&self, name: &str) -> Option<String> {
        let settings = self.text.lines().filter_map(comment);
        settings
            .filter_map(|text| Some(text.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
            .next()
    }
}

fn comment(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(text.trim().to_owned())
}
