//! Output of `imax run --dry-run`: the plan of a job as text.

use std::fmt::Write as _;

use crate::execution::{JobPlan, PhaseDeadline};
use crate::fleet::launcher::LaunchPlan;
use crate::job::PhaseTime;

/// The plan in sections with one value per line; control characters are escaped.
pub(super) fn text_of(plan: &JobPlan) -> String {
    let JobPlan {
        spec,
        port,
        out,
        repository,
        launch,
        deadlines,
        files,
        state_file,
    } = plan;
    let LaunchPlan {
        command,
        stdin,
        environment,
        secrets,
        mounts,
        settings,
        files: launcher_files,
    } = launch;
    let profile = &spec.profile;
    let mut text = format!("{} on {}\n", spec.row.curve_key(), spec.runner_name);
    let mut job = vec![
        format!("profile {}, launcher {}", profile.name, profile.launch.name()),
        format!("working folder {}", repository.display()),
        format!("output folder {}", out.display()),
        format!("port {port}"),
    ];
    job.extend(
        spec.recipe
            .iter()
            .map(|recipe| format!("recipe {}: {}", recipe.path, recipe.chosen)),
    );
    section(&mut text, "job", job);
    section(&mut text, "hooks before the launch", profile.hooks.pre.iter().cloned());
    let is_started = (!command.is_empty()).then(|| quoted(command));
    section(
        &mut text,
        "command",
        [is_started.unwrap_or_else(|| "none: the server runs already".to_owned())],
    );
    section(&mut text, "stdin of the command", stdin.iter().flat_map(|script| script.lines()));
    let settings = settings.iter().map(|(name, value)| format!("{name}: {value}"));
    section(&mut text, "settings of the launcher", settings);
    let plain = environment.iter().map(|(name, value)| format!("{name}={value}"));
    let hidden = secrets.iter().map(|name| format!("{name}=***"));
    section(&mut text, "environment", plain.chain(hidden));
    let mounts = mounts.iter().map(|mount| {
        let mode = if mount.read_only { "read-only" } else { "read-write" };
        format!("{} on {} ({mode})", mount.source, mount.target)
    });
    section(&mut text, "mounts", mounts);
    let stall = format!("stall: {} without a token, during a load", profile.deadlines.stall);
    section(&mut text, "deadlines", deadlines.iter().map(deadline_line).chain([stall]));
    section(&mut text, "hooks after the stop", profile.hooks.post.iter().cloned());
    let written = files.iter().map(|path| path.display().to_string());
    let state = format!("{} (while the job runs)", state_file.display());
    let of_launcher = launcher_files
        .iter()
        .map(|path| format!("{} (until the job has read it)", path.display()));
    section(&mut text, "files", written.chain([state]).chain(of_launcher));
    text.push_str("\nnothing was started and no file was written\n");
    text
}

fn deadline_line(deadline: &PhaseDeadline) -> String {
    let PhaseDeadline {
        phase,
        limit,
        for_each_point,
    } = deadline;
    let each = if *for_each_point { ", for each concurrency" } else { "" };
    format!("{phase}: {}{each}", PhaseTime::of(*limit))
}

/// Appends a heading and its lines; nothing if there are no lines.
fn section<T: AsRef<str>>(text: &mut String, heading: &str, lines: impl IntoIterator<Item = T>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{heading}:");
    for line in lines {
        text.push_str("  ");
        for character in line.as_ref().chars() {
            if character.is_control() && character != '\t' {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text.push('\n');
    }
}

/// The words quoted for a shell.
fn quoted(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| shlex::try_quote(word).map_or_else(|_| format!("{word:?}"), std::borrow::Cow::into_owned));
    quoted.collect::<Vec<_>>().join(" ")
}
