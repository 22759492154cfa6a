//! Power of a row over several nodes that a launch script measured: from the package that srt-slurm leaves in the workspace, where the
//! engine's nodes were sampled. The package is accepted only from a known commit of srt-slurm.

use std::time::SystemTime;

use super::context::JobContext;
use super::load_points::LoadedPoint;
use super::workspace::{WrittenFile, find_in_workspace, workspaces};
use crate::job::RecipeStyle;
use crate::model::VariableValue;
use crate::result::PointContext;
use crate::store::{MeasuredPower, PowerSources};

/// Where launch scripts copy the package.
const PACKAGE: &str = "LOGS/power";
/// Names the commit of srt-slurm that may have written it.
const PRODUCER: &str = "POWER_PRODUCER_SHA";
/// The file in which launch scripts note the commit that they fetched.
const PRODUCER_FILE: &str = "power-producer-sha.txt";

/// The power of a point by the package; `None` for rows that have none.
pub(super) fn package_power(ctx: &JobContext, loaded: &LoadedPoint, context: &PointContext) -> Option<MeasuredPower> {
    match ctx.spec.recipe_style() {
        RecipeStyle::EngineOnly => return None,
        RecipeStyle::SelfContained if !ctx.spec.row.layout.is_multi_node() => return None,
        RecipeStyle::SelfContained => {}
    }
    let packages = workspaces(ctx).iter().map(|folder| folder.join(PACKAGE)).collect();
    let sources = PowerSources {
        tables: Vec::new(),
        packages,
        producer: producer(ctx),
        required: false,
    };
    let measured = sources.measure(&loaded.raw, context);
    let raw = ctx.folders.out.join(format!("{}.json", loaded.result_filename));
    if measured.has_source()
        && let Err(error) = measured.write_validation(&raw)
    {
        ctx.console.line(&format!("warning: {error}"));
    }
    Some(measured)
}

/// The accepted commit: that of the environment, else the one that the launch script fetched.
fn producer(ctx: &JobContext) -> Option<String> {
    let of_engine = ctx.environment.iter().find(|variable| variable.name == PRODUCER);
    let of_engine = of_engine.and_then(|variable| match &variable.value {
        VariableValue::Plain(value) => Some(value.clone()),
        VariableValue::Secret(_) => None,
    });
    let began = SystemTime::now() - ctx.start.instant.elapsed();
    let noted = || find_in_workspace(ctx, &[PRODUCER_FILE], began).and_then(|file: WrittenFile| file.read().ok());
    let named = of_engine.or_else(|| std::env::var(PRODUCER).ok());
    let named = named.filter(|value| !value.is_empty()).or_else(noted);
    named.map(|commit| commit.trim().to_owned())
}
