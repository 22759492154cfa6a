//! The engines that the behaviour is shown on, and what runs over them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixture::{Ended, Fixture, imax_in};
use crate::postgres::Server;
use crate::{behaviour, killed_writers, series};

/// An empty history and a folder to work in.
pub struct Home<'a> {
    pub fixture: &'a Fixture,
    /// As `--to` and `--history` take it.
    pub address: String,
    /// What the commands need to reach it.
    pub environment: Vec<(&'static str, String)>,
}

impl<'a> Home<'a> {
    /// An empty history beside this one; itself for 0.
    pub fn another(&self, number: u64) -> Home<'a> {
        let address = match (number, self.address.strip_suffix(".db")) {
            (0, _) => self.address.clone(),
            (_, Some(name)) => format!("{name}{number}.db"),
            (_, None) if self.address.starts_with("postgres://") => crate::postgres::another_database(&self.address, number),
            (_, None) => format!("{}-{number}", self.address),
        };
        Home {
            fixture: self.fixture,
            address,
            environment: self.environment.clone(),
        }
    }

    pub fn imax(&self, arguments: &[&str]) -> Ended {
        let environment: Vec<(&str, &str)> = self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.fixture.imax(arguments, &environment)
    }

    /// Runs a command that must succeed, and gives its output.
    pub fn output(&self, arguments: &[&str]) -> String {
        let ended = self.imax(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.output(arguments);
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{arguments:?}: {output}"))
    }

    /// `imax history list`, with more arguments.
    pub fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let mut line = vec!["history", "list", "--history", &self.address, "--json"];
        line.extend(arguments);
        self.json(&line).as_array().unwrap().clone()
    }

    /// Checks that nothing is damaged.
    pub fn verify(&self) {
        let found = self.json(&["history", "verify", "--history", &self.address, "--json"]);
        assert_eq!(found, json!({ "ok": true, "problems": [] }));
    }
}

/// The program in another folder.
pub fn imax_at(folder: &Path, arguments: &[&str]) -> Ended {
    imax_in(folder, arguments, &[])
}

/// The files of ten nights that the reports' golden files have.
pub fn ten_nights() -> PathBuf {
    crate::harness::project().join("tests/golden/report/history/history")
}

/// Shows a behaviour on a SQLite file.
fn on_sqlite(show: fn(&Home)) {
    let fixture = Fixture::new();
    show(&Home {
        fixture: &fixture,
        address: "history.db".to_owned(),
        environment: Vec::new(),
    });
}

macro_rules! behaviours {
    ($($module:ident::$name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                super::on_sqlite(super::$module::$name);
            })+
        }

        /// One server, one database for each behaviour.
        #[test]
        #[ignore = "needs PostgreSQL"]
        fn postgres_behaves_as_sqlite_does() {
            let server = Server::start();
            $({
                let fixture = Fixture::new();
                eprintln!("{}", stringify!($name));
                $module::$name(&Home { fixture: &fixture, address: server.database(stringify!($name)), environment: Vec::new() });
            })+
        }
    };
}

behaviours!(
    behaviour::same_content_is_no_change_and_other_content_a_revision,
    behaviour::table_of_a_run_says_how_power_was_measured,
    behaviour::earlier_state_is_read_byte_for_byte,
    behaviour::attempts_of_a_workflow_run_are_runs_of_their_own,
    behaviour::jobs_and_distributions_are_kept,
    behaviour::verdicts_stay_as_they_were_given,
    behaviour::report_job_that_runs_again_adds_nothing,
    behaviour::points_that_attempts_have_in_common_count_once,
    behaviour::retracted_attempt_keeps_its_points,
    behaviour::verdicts_of_a_report_in_the_folder_are_kept,
    behaviour::entries_of_the_changelog_are_tied_to_curves,
    behaviour::prices_are_kept_with_their_days,
    behaviour::unknown_dimension_is_quarantined,
    behaviour::retracted_run_counts_no_more,
    behaviour::comparison_is_that_of_a_folder,
    behaviour::pull_requests_are_no_baseline,
    behaviour::export_and_import_are_byte_stable,
    behaviour::failures_and_scores_are_kept,
    behaviour::dry_run_changes_nothing,
    series::series_has_values_and_the_levels_that_were_kept,
    series::levels_follow_retractions_of_their_runs,
    series::pull_requests_are_in_no_series,
    series::newest_curve_is_of_one_run_and_borrowed_points_say_so,
    series::annotations_are_shown_with_what_they_concern,
    series::exports_are_filtered_and_read_by_other_tools,
    series::archive_has_the_months_and_is_imported_again,
    series::prune_moves_old_raw_data_and_no_point,
    series::prune_moves_old_distributions_of_requests,
    killed_writers::writers_that_create_a_history_together_all_succeed,
    killed_writers::killed_writers_lose_and_repeat_nothing,
);
