//! The recipes and profiles that come with this repository.

use std::fs;
use std::path::{Path, PathBuf};

use imax::testing::launch_rules;
use imax::testing::{RecipeStyle, RunnerProfile};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_profile_is_valid() {
    for path in files("runners", "yaml") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        RunnerProfile::load(name, "runners", &|file| fs::read_to_string(folder.join(file)).ok(), &launch_rules()).unwrap();
    }
}

#[test]
fn every_recipe_starts_its_engine_in_the_foreground() {
    for path in files("benchmarks", "sh") {
        let text = fs::read_to_string(&path).unwrap();
        if path.ends_with("benchmark_lib.sh") {
            continue;
        }
        assert_eq!(RecipeStyle::of_script(&text), RecipeStyle::EngineOnly, "{}", path.display());
        assert!(text.starts_with("#!/usr/bin/env bash\n# "), "{}", path.display());
        assert!(text.lines().any(|line| line.starts_with("exec ")), "{}", path.display());
        let engine = text.split("engines/").nth(1).and_then(|rest| rest.split(".sh").next());
        if let Some(engine) = engine {
            let engine = path.parent().unwrap().join(format!("engines/{engine}.sh"));
            assert!(engine.exists(), "{}", engine.display());
        }
    }
}
