//! The release commit, made by `.ci/release commit` in a repository of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use git2::{Oid, Repository, Tree};
use tempfile::TempDir;

use crate::harness::{Finish as _, clean_command, program, project};
use crate::{PLATFORM, text};

/// `owner/name` of the action.
pub const SLUG: &str = env!("CARGO_PKG_REPOSITORY").split_at("https://github.com/".len()).1;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ROWS: &str = ".github/workflows/rows.yml";
const SWEEP: &str = ".github/workflows/sweep.yml";
const NEEDS_GIT: &str = "git is installed";

/// What is not part of the source.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];

/// The optimised program where `.ci/run` names it, as it is released; else the one under test.
pub fn released_program() -> PathBuf {
    std::env::var_os("IMAX_BINARY").map_or_else(|| program().to_owned(), PathBuf::from)
}

/// A copy of this project in a repository of its own, released.
pub struct Release {
    folder: TempDir,
}

impl Release {
    /// Commits this project's files and makes the release commits around the program.
    pub fn make(program: &Path) -> Self {
        let release = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let source = release.source();
        copy_folder(project(), &source);
        Repository::init_opts(&source, git2::RepositoryInitOptions::new().initial_head("main")).unwrap();
        release.commit_source();
        release.set_program(program);
        release.run(&["commit"]);
        release
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn repository(&self) -> Repository {
        Repository::open(self.source()).unwrap()
    }

    fn commit_source(&self) {
        let repository = self.repository();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::new("t", "t@example.com", &git2::Time::new(1_767_225_600, 0)).unwrap();
        let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        repository.commit(Some("HEAD"), &who, &who, "source", &tree, &parents).unwrap();
    }

    fn set_program(&self, program: &Path) {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let folder = self.folder.path().join("out/bin").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(program, folder.join("imax")).unwrap();
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        let mut command = clean_command(self.source().join(".ci/release"));
        command.args(arguments).env("OUT", self.folder.path().join("out"));
        command.finish()
    }

    fn run(&self, arguments: &[&str]) {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }

    fn resolve(&self, reference: &str) -> Oid {
        let repository = self.repository();
        let object = repository.revparse_single(reference).unwrap();
        object.peel_to_commit().unwrap().id()
    }

    /// The commit that users pin.
    pub fn last_commit(&self) -> String {
        self.resolve("releases/v1").to_string()
    }

    /// The commits of the release, the last one first.
    pub fn commits(&self) -> Vec<String> {
        ["releases/v1", "releases/v1~1", "releases/v1~2"]
            .map(|reference| self.resolve(reference).to_string())
            .to_vec()
    }

    /// Writes the files of a commit to a folder, as the runner does for an action.
    pub fn check_out(&self, commit: &str, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let repository = self.repository();
        let mut index = git2::Index::new().unwrap();
        let tree = repository.find_commit(Oid::from_str(commit).unwrap()).unwrap().tree().unwrap();
        index.read_tree(&tree).unwrap();
        let mut options = git2::build::CheckoutBuilder::new();
        options.target_dir(folder).force().update_index(false);
        repository.checkout_index(Some(&mut index), Some(&mut options)).unwrap();
    }

    fn file(&self, commit: &str, path: &str) -> String {
        let repository = self.repository();
        let tree = repository.revparse_single(commit).unwrap().peel_to_tree().unwrap();
        let blob = tree.get_path(Path::new(path)).unwrap().to_object(&repository).unwrap();
        text(blob.as_blob().unwrap().content())
    }

    fn set_version(&self, version: &str) {
        let manifest = self.source().join("Cargo.toml");
        let old = fs::read_to_string(&manifest).unwrap();
        let new = old.replacen(&format!("version = \"{VERSION}\""), &format!("version = \"{version}\""), 1);
        assert_ne!(old, new);
        fs::write(manifest, new).unwrap();
        self.commit_source();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A program that only has to be there.
fn stand_in() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("imax");
    fs::write(&program, "#!/bin/sh\necho \"stand-in $*\"\n").unwrap();
    (folder, program)
}

/// The references of `uses:` to the action and its workflows: what is used, and at which commit.
fn references(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once(&format!("uses: {SLUG}")))
        .map(|(_, used)| {
            let (path, reference) = used.split_once('@').unwrap();
            let reference = reference.split_whitespace().next().unwrap();
            (path.trim_start_matches('/').to_owned(), reference.to_owned())
        })
        .collect()
}

fn entry(repository: &Repository, tree: &Tree<'_>, path: &str) -> Oid {
    let object = tree.get_path(Path::new(path)).unwrap().to_object(repository).unwrap();
    object.id()
}

#[test]
#[ignore = "needs git"]
fn workflows_of_a_pinned_release_use_that_release_and_no_tag() {
    let (_folder, program) = stand_in();
    let release = Release::make(&program);
    let repository = release.repository();
    let last = repository.revparse_single("releases/v1").unwrap().peel_to_tree().unwrap();
    for (file, uses) in [(SWEEP, 5), (ROWS, 1)] {
        let found = references(&release.file("releases/v1", file));
        assert_eq!(found.len(), uses, "{file}: {found:?}");
        for (path, commit) in found {
            // A full SHA, not a tag or a branch that can be moved.
            let used = repository.find_commit(Oid::from_str(&commit).unwrap()).unwrap().tree().unwrap();
            assert_eq!(commit.len(), 40, "{file} uses {path}@{commit}");
            let must_be_equal = match path.as_str() {
                "" => vec![
                    "action.yml".to_owned(),
                    "dist/imax.sh".to_owned(),
                    format!("dist/bin/{PLATFORM}/imax"),
                ],
                ROWS => vec![ROWS.to_owned()],
                other => panic!("{file} uses {other}"),
            };
            for path in must_be_equal {
                assert_eq!(
                    entry(&repository, &used, &path),
                    entry(&repository, &last, &path),
                    "{file}: {path} at {commit}"
                );
            }
        }
    }
    // The pinned commits stay reachable, whatever happens to the tags.
    let head = release.resolve("releases/v1");
    for commit in release.commits().iter().skip(1) {
        assert!(repository.graph_descendant_of(head, Oid::from_str(commit).unwrap()).unwrap());
    }
    for tag in ["v1", "v0.2", &format!("v{VERSION}")] {
        assert_eq!(release.resolve(tag), head, "{tag}");
    }
}

#[test]
#[ignore = "needs git"]
fn released_action_runs_its_binary() {
    let (folder, program) = stand_in();
    let release = Release::make(&program);
    let action = folder.path().join("action");
    release.check_out(&release.last_commit(), &action);
    let output = clean_command("bash").arg(action.join("dist/imax.sh")).arg("check").finish();
    assert_eq!(text(&output.stdout), "stand-in check\n", "{}", text(&output.stderr));
}

#[test]
#[ignore = "needs git"]
fn same_release_is_the_same_commit() {
    let (_folder, program) = stand_in();
    let release = Release::make(&program);
    let first = release.last_commit();
    let refused = release.try_run(&["commit"]);
    assert!(
        text(&refused.stderr).contains(&format!("tag v{VERSION} exists already")),
        "{}",
        text(&refused.stderr)
    );

    let repository = release.repository();
    for reference in ["refs/heads/releases/v1".to_owned(), format!("refs/tags/v{VERSION}")] {
        repository.find_reference(&reference).unwrap().delete().unwrap();
    }
    release.run(&["commit"]);
    assert_eq!(release.last_commit(), first);
}

#[test]
#[ignore = "needs git"]
fn next_release_keeps_earlier_pins_and_tags() {
    let (folder, program) = stand_in();
    let release = Release::make(&program);
    let first = release.resolve("v1");
    let next = folder.path().join("next");
    fs::write(&next, "#!/bin/sh\necho next\n").unwrap();
    release.set_program(&next);
    release.set_version("0.3.0");
    release.run(&["commit"]);

    assert_eq!(release.resolve(&format!("v{VERSION}")), first);
    assert_eq!(release.resolve("v0.2"), first);
    assert_eq!(release.resolve("v1"), release.resolve("v0.3.0"));
    assert!(release.repository().graph_descendant_of(release.resolve("v1"), first).unwrap());
    let pins = release.file("v1", "dist/pins.txt");
    let pinned: Vec<&str> = pins.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [VERSION, "0.3.0"].map(|version| format!("{version} {PLATFORM} imax "));
    assert_eq!(pinned.len(), 2, "{pins}");
    for (line, expected) in pinned.iter().zip(expected) {
        assert!(line.starts_with(&expected), "{line}");
        assert!(line.contains(&format!(" https://github.com/{SLUG}/releases/download/v")), "{line}");
    }
}

#[test]
#[ignore = "needs git"]
fn rename_changes_every_reference() {
    let (_folder, program) = stand_in();
    let release = Release::make(&program);
    release.run(&["rename", "acme/llm-bench"]);
    let source = release.source();
    let left = Command::new("git")
        .args(["grep", "--line-number", "--fixed-strings", SLUG, "--", ":!CHANGELOG.md"])
        .current_dir(&source)
        .output()
        .expect(NEEDS_GIT);
    assert_eq!(text(&left.stdout), "");
    for file in [SWEEP, ROWS, "README.md", "Cargo.toml", "src/cli/demo/benchmark.yml"] {
        assert!(fs::read_to_string(source.join(file)).unwrap().contains("acme/llm-bench"), "{file}");
    }
}

#[test]
#[ignore = "needs git"]
fn release_of_another_version_or_repository_is_refused() {
    let (_folder, program) = stand_in();
    let release = Release::make(&program);
    release.run(&["check", &format!("release-{VERSION}")]);
    let wrong_version = release.try_run(&["check", "release-7.0.0"]);
    assert!(!wrong_version.status.success());
    let said = text(&wrong_version.stderr);
    assert!(said.contains(&format!("Cargo.toml has version {VERSION}, the tag 7.0.0")), "{said}");
    let mut elsewhere = clean_command(release.source().join(".ci/release"));
    let elsewhere = elsewhere.args(["check", VERSION]).env("GITHUB_REPOSITORY", "acme/bench").finish();
    let said = text(&elsewhere.stderr);
    assert!(said.contains("run .ci/release rename acme/bench"), "{said}");
}
