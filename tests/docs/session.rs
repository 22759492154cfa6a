//! Runs the commands of the pages. The `sh` blocks of a page are one session of bash, in a folder that the page chooses:
//!
//!     <!-- session: project -->    a copy of this project's configs, recipes, profiles and examples, as a git repository
//!     <!-- session: empty -->      an empty folder
//!
//! A page with `sh` blocks and without that line is an error. A comment on the line above a block says what to do with it:
//!
//!     <!-- not run: REASON -->     the block needs something that is not on every machine
//!     <!-- needs llama.cpp -->     runs in the ignored tests only, which have llama.cpp's server and a model
//!     <!-- exit: 3 -->             its last command ends with this code
//!     <!-- prints -->              above a `text` block: the block before printed each of these lines; `…` stands for any text
//!
//! The port 8000 of the pages becomes a free one.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::harness::{Finish as _, clean_command, program, project};
use super::page::{Block, Page, pages};

/// Longest session: the quick start runs the whole demo, and a page with llama.cpp measures a real model on the processor.
pub const SESSION_LIMIT: Duration = Duration::from_secs(900);

/// Where llama.cpp's server and a model are, for the blocks that need them.
pub struct Llama {
    pub server: String,
    pub model: String,
}

impl Llama {
    pub fn from_environment() -> Self {
        let variable =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; tests/llama/fetch.sh gets what it names"));
        Self {
            server: variable("IMAX_TEST_LLAMA_SERVER"),
            model: variable("IMAX_TEST_LLAMA_MODEL"),
        }
    }
}

/// Copies the files below a folder, except for what git ignores here.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

/// What a session has besides its folder: a place for programs, a home, and room for output.
struct Session {
    root: TempDir,
    port: u16,
}

impl Session {
    fn new(kind: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["bin", "home", "out", "work"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(program(), root.path().join("bin/imax")).unwrap();
        let work = root.path().join("work");
        match kind {
            "empty" => {}
            "project" => {
                for folder in ["configs", "benchmarks", "runners", "examples", "dist/schemas", "tests/llama"] {
                    copy_folder(&project().join(folder), &work.join(folder));
                }
                fs::copy(project().join("imax.yaml"), work.join("imax.yaml")).unwrap();
            }
            other => panic!("unknown session `{other}`"),
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let session = Self { root, port };
        if kind == "project" {
            session.run(
                "git init --quiet --initial-branch main && git add --all && git commit --quiet --message start",
                None,
            );
        }
        session
    }

    fn with_port(&self, text: &str) -> String {
        text.replace("8000", &self.port.to_string())
    }

    /// Runs a script; returns what went wrong.
    fn run(&self, script: &str, llama: Option<&Llama>) -> Option<String> {
        let root = self.root.path();
        let path = format!("{}:{}", root.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = clean_command("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(root.join("work"))
            .env("PATH", path)
            .env("HOME", root.join("home"))
            .env("OUT", root.join("out"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Reader")
                .env(format!("GIT_{who}_EMAIL"), "reader@example.com");
        }
        if let Some(Llama { server, model }) = llama {
            command.env("LLAMA_SERVER", server).env("LLAMA_MODEL", model);
        }
        let output = command.finish_within(SESSION_LIMIT);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(|| format!("{}: {said}", output.status))
    }

    fn printed(&self, line: usize) -> String {
        String::from_utf8_lossy(&fs::read(self.root.path().join(format!("out/{line}"))).unwrap_or_default()).into_owned()
    }
}

/// Whether a block of commands runs, given what there is.
fn runs(block: &Block, llama: Option<&Llama>) -> bool {
    let marker = block.marker.as_deref().unwrap_or_default();
    let is_possible = !marker.starts_with("not run:") && (llama.is_some() || marker != "needs llama.cpp");
    block.language == "sh" && is_possible
}

/// What stands before the blocks: a failure shows what the block printed, and what still runs at the end is stopped. A group's
/// redirections still hold in the trap, so the session's own stderr is kept as 3.
const START: &str = r#"exec 3>&2
finish() {
  local status=$?
  if [ "$status" != 0 ]; then { echo "line $line:"; cat "$OUT/$line"; } >&3; fi
  kill $(jobs -p) 2>/dev/null || true
  wait
  exit "$status"
}
trap finish EXIT
"#;

/// The blocks of a page as one script: each writes what it prints into a file of its own.
fn script(blocks: &[&Block]) -> String {
    let mut script = START.to_owned();
    for block in blocks {
        let (line, text) = (block.line, &block.text);
        let group = format!("{{\n{text}}} >\"$OUT/{line}\" 2>&1");
        match block.marker.as_deref().and_then(|marker| marker.strip_prefix("exit: ")) {
            None => writeln!(script, "line={line}\n{group}").unwrap(),
            Some(code) => writeln!(
                script,
                "line={line}\nset +e\n{group}\nstatus=$?\nset -e\n\
                 [ \"$status\" = {code} ] || {{ echo \"ended with $status, expected {code}\" >&3; exit 1; }}"
            )
            .unwrap(),
        }
    }
    script
}

/// Whether a text has a line like the pattern, in which `…` stands for any text.
fn has_line(text: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.trim().split('…').collect();
    text.lines().any(|line| {
        let mut rest = Some(line);
        for part in &parts {
            rest = rest.and_then(|rest| rest.split_once(part).map(|(_, after)| after));
        }
        rest.is_some()
    })
}

/// What a page says of its commands and is not so.
fn faults(page: &Page, llama: Option<&Llama>) -> Vec<String> {
    let blocks = page.blocks();
    let running: Vec<&Block> = blocks.iter().filter(|block| runs(block, llama)).collect();
    if running.is_empty() {
        return Vec::new();
    }
    let Some(kind) = page.setting("session") else {
        return vec![format!("{} has `sh` blocks, but no line <!-- session: … -->", page.name)];
    };
    let session = Session::new(&kind);
    if let Some(fault) = session.run(&session.with_port(&script(&running)), llama) {
        return vec![format!("{}: {fault}", page.name)];
    }
    let mut faults = Vec::new();
    let mut before: Option<&Block> = None;
    for block in &blocks {
        if block.language == "sh" {
            before = Some(block).filter(|block| runs(block, llama));
        } else if block.marker.as_deref() == Some("prints")
            && let Some(command) = before
        {
            let printed = session.printed(command.line);
            let absent: Vec<&str> = block
                .text
                .lines()
                .filter(|line| !has_line(&printed, &session.with_port(line)))
                .collect();
            if !absent.is_empty() {
                faults.push(format!("{}:{} is not printed: {absent:#?}\nbut:\n{printed}", page.name, block.line));
            }
        }
    }
    faults
}

/// Runs the pages two at a time: most of a session is waiting.
fn faults_of_all(llama: Option<&Llama>, chosen: impl Fn(&Page) -> bool) -> Vec<String> {
    let pages: Vec<Page> = pages().into_iter().filter(chosen).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(page) = pages.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let faults = faults(page, llama);
                    found.lock().unwrap().extend(faults);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn commands_of_pages_do_what_the_pages_say() {
    let faults = faults_of_all(None, |_| true);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    let run: usize = pages()
        .iter()
        .map(|page| page.blocks().iter().filter(|block| runs(block, None)).count())
        .sum();
    assert!(run > 20, "only {run} blocks were run");
}

#[test]
#[ignore = "needs llama.cpp's server and a model"]
fn commands_with_llama_cpp_do_what_the_pages_say() {
    let llama = Llama::from_environment();
    let needs_it = |page: &Page| page.blocks().iter().any(|block| block.marker.as_deref() == Some("needs llama.cpp"));
    let faults = faults_of_all(Some(&llama), needs_it);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn failing_commands_wrong_codes_and_absent_lines_are_faults() {
    for (text, expected) in [
        ("```sh\ntrue\n```\n", None),
        ("```sh\nfalse\ntrue\n```\n", Some("line 2:")),
        ("<!-- exit: 3 -->\n```sh\nbash -c 'exit 3'\n```\n", None),
        ("<!-- exit: 3 -->\n```sh\ntrue\n```\n", Some("ended with 0, expected 3")),
        ("```sh\necho one two\n```\n<!-- prints -->\n```text\none … \n```\n", None),
        (
            "```sh\necho one two\n```\n<!-- prints -->\n```text\nthree\n```\n",
            Some("is not printed"),
        ),
        ("<!-- not run: a reason -->\n```sh\nfalse\n```\n", None),
    ] {
        let page = Page {
            name: "page.md".to_owned(),
            text: format!("<!-- session: empty -->\n{text}"),
        };
        let found = faults(&page, None).join("\n");
        match expected {
            None => assert_eq!(found, "", "{text}"),
            Some(part) => assert!(found.contains(part), "{text}: {found}"),
        }
    }
    let without = Page {
        name: "page.md".to_owned(),
        text: "```sh\ntrue\n```\n".to_owned(),
    };
    assert!(faults(&without, None)[0].contains("no line <!-- session"));
}
