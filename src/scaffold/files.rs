//! The files of a benchmark repository, from answers. The templates are in `templates/`; texts from outside enter YAML as JSON
//! strings, which are YAML's double-quoted form.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, context};

use super::answers::{Answers, EngineKind, Launch, SweepTrigger, Vendor};
use crate::analysis::{CostModel, HardwareCost};

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScaffoldFile {
    /// Path below the repository.
    pub path: String,
    pub text: String,
    pub executable: bool,
}

/// A built-in template is invalid.
#[derive(Debug, thiserror::Error)]
#[error("template of {path}")]
pub(crate) struct ScaffoldError {
    path: String,
    source: minijinja::Error,
}

/// The repository of the schemas that editors read; `imax schema` prints the same.
const SCHEMAS: &str = "https://raw.githubusercontent.com/org/imax-action/v1/dist/schemas";

/// The files of a repository that measures what the answers say.
///
/// # Errors
/// [`ScaffoldError`] if a template is wrong.
pub(crate) fn files_of(answers: &Answers) -> Result<Vec<ScaffoldFile>, ScaffoldError> {
    let mut files = vec![
        rendered("configs/benchmarks-master.yaml", include_str!("templates/config.yaml"), answers)?,
        rendered("configs/runners.yaml", include_str!("templates/runners.yaml"), answers)?,
        rendered(
            &format!("runners/{}.yaml", answers.hardware),
            include_str!("templates/profile.yaml"),
            answers,
        )?,
        rendered("configs/hardware.yaml", include_str!("templates/hardware.yaml"), answers)?,
        rendered("configs/eval-thresholds.yaml", include_str!("templates/thresholds.yaml"), answers)?,
        rendered("imax.yaml", include_str!("templates/settings.yaml"), answers)?,
        rendered("perf-changelog.yaml", include_str!("templates/changelog.yaml"), answers)?,
        rendered(".github/workflows/benchmark.yml", include_str!("templates/workflow.yml"), answers)?,
    ];
    if let Some(engine) = answers.launch.engine() {
        let mut recipe = rendered(&format!("benchmarks/{}", answers.recipe()), template_of(engine), answers)?;
        recipe.executable = true;
        files.push(recipe);
    }
    if answers.trigger != SweepTrigger::Changelog {
        files.retain(|file| file.path != "perf-changelog.yaml");
    }
    Ok(files)
}

fn template_of(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Vllm => include_str!("templates/vllm.sh"),
        EngineKind::Sglang => include_str!("templates/sglang.sh"),
        EngineKind::LlamaCpp => include_str!("templates/llamacpp.sh"),
        EngineKind::Mlx => include_str!("templates/mlx.sh"),
        EngineKind::Ollama => include_str!("templates/ollama.sh"),
    }
}

fn rendered(path: &str, template: &str, answers: &Answers) -> Result<ScaffoldFile, ScaffoldError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.map_err(in_template(path))?);
    let text = environment
        .render_str(template, variables(answers))
        .map_err(|source| ScaffoldError {
            path: path.to_owned(),
            source,
        })?;
    Ok(ScaffoldFile {
        path: path.to_owned(),
        text,
        executable: false,
    })
}

fn in_template(path: &str) -> impl Fn(minijinja::Error) -> ScaffoldError {
    move |source| ScaffoldError {
        path: path.to_owned(),
        source,
    }
}

fn variables(answers: &Answers) -> minijinja::Value {
    let engine = answers.launch.engine();
    let url = match &answers.launch {
        Launch::Endpoint { url } => Some(url.as_str()),
        Launch::Local(_) | Launch::Docker(_) | Launch::Slurm(_) => None,
    };
    let image = match &answers.launch {
        Launch::Docker(engine) | Launch::Slurm(engine) => engine.public_image(),
        Launch::Local(_) | Launch::Endpoint { .. } => None,
    };
    context! {
        schemas => SCHEMAS,
        launcher => answers.launch.launcher(),
        framework => answers.launch.framework(),
        url,
        image,
        health_path => engine.map(EngineKind::health_path),
        model => answers.model.as_str(),
        model_prefix => answers.model_prefix(),
        precision => answers.precision.as_str(),
        hardware => answers.hardware.as_str(),
        vendor => answers.vendor.as_str(),
        is_gpu => answers.vendor != Vendor::None,
        unit => if answers.vendor == Vendor::None { "this machine" } else { "a GPU" },
        cost => list_price(&answers.hardware).map(|cost| cost_variables(&cost)),
        gpus => answers.gpus,
        config_key => answers.config_key(),
        trigger => answers.trigger.as_str(),
    }
}

/// Power and list prices that imax knows of the hardware, without guesses.
fn list_price(hardware: &str) -> Option<HardwareCost> {
    let known = CostModel::built_in(None).ok()?;
    let mut cost = known.cost_of(hardware)?.clone();
    cost.prices.retain(|price| price.provider != "guess");
    (!cost.prices.is_empty()).then_some(cost)
}

fn cost_variables(cost: &HardwareCost) -> minijinja::Value {
    let HardwareCost { tdp_w, host_w, prices } = cost;
    // Rust writes 700 for 700.0, minijinja does not.
    let prices = prices.iter().map(|price| {
        context! {
            provider => price.provider.as_str(),
            date => price.date.as_str(),
            usd_per_gpu_hour => price.usd_per_gpu_hour.to_string(),
        }
    });
    context! {
        tdp_w => tdp_w.to_string(),
        host_w => host_w.to_string(),
        prices => prices.collect::<Vec<_>>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(launch: Launch, trigger: SweepTrigger) -> Answers {
        Answers {
            launch,
            model: "org/Model-8B".to_owned(),
            precision: "bf16".to_owned(),
            hardware: "h100".to_owned(),
            vendor: Vendor::Nvidia,
            gpus: 2,
            trigger,
        }
    }

    fn all_launches() -> Vec<Launch> {
        let url = "http://127.0.0.1:8000".to_owned();
        let engines = EngineKind::ALL.into_iter();
        let of_engine = |engine| [Launch::Local(engine), Launch::Docker(engine), Launch::Slurm(engine)];
        engines.flat_map(of_engine).chain([Launch::Endpoint { url }]).collect()
    }

    #[test]
    fn every_file_ends_with_a_line_break_and_has_no_template_left() {
        for trigger in [
            SweepTrigger::Changelog,
            SweepTrigger::EveryPush,
            SweepTrigger::Nightly,
            SweepTrigger::Release,
        ] {
            for launch in all_launches() {
                for file in files_of(&answers(launch.clone(), trigger)).unwrap() {
                    let text = &file.text;
                    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}: {text:?}", file.path);
                    assert!(!text.contains("{%") && !text.contains("\n\n\n"), "{}: {text}", file.path);
                }
            }
        }
    }

    #[test]
    fn only_list_prices_are_written() {
        for (hardware, vendor, price) in [
            (
                "h100",
                Vendor::Nvidia,
                Some("provider: \"aws\", date: 2026-04-22, usd_per_gpu_hour: 6.88"),
            ),
            ("mi300x", Vendor::Amd, Some("usd_per_gpu_hour: 1.85")),
            ("mi355x", Vendor::Amd, None),
            ("rtx4090", Vendor::Nvidia, None),
            ("cpu", Vendor::None, None),
        ] {
            let mut answers = answers(Launch::Local(EngineKind::Vllm), SweepTrigger::Changelog);
            (answers.hardware, answers.vendor) = (hardware.to_owned(), vendor);
            let files = files_of(&answers).unwrap();
            let file = files.iter().find(|file| file.path == "configs/hardware.yaml").unwrap();
            let model = CostModel::parse(&file.text, None).unwrap();
            assert!(model.knows(hardware), "{}", file.text);
            assert_eq!(model.has_prices(), price.is_some(), "{}", file.text);
            assert!(file.text.contains(price.unwrap_or("# cost:")), "{}", file.text);
            // What a user uncomments is valid.
            let uncommented = file.text.replace("    # cost", "    cost").replace("    #   ", "      ");
            CostModel::parse(&uncommented, None).unwrap();
        }
    }

    #[test]
    fn hostile_model_name_stays_a_string() {
        let mut answers = answers(Launch::Local(EngineKind::Vllm), SweepTrigger::Changelog);
        answers.model = "x\": evil\n- {{ 1 + 1 }} \u{2028}".to_owned();
        let files = files_of(&answers).unwrap();
        let config: serde_json::Value = serde_saphyr::from_str(&files[0].text).unwrap();
        let entry = config.as_object().unwrap().values().next().unwrap();
        assert_eq!(entry["model"], answers.model);
        let thresholds = files.iter().find(|file| file.path == "configs/eval-thresholds.yaml").unwrap();
        let document: serde_json::Value = serde_saphyr::from_str(&thresholds.text).unwrap();
        assert!(document["models"][&answers.model].is_object(), "{document}");
    }
}
