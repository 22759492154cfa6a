//! A history in Azure's object storage, on Azurite: the behaviour that all homes share, over the conditional writes of another service than S3.

use std::net::TcpListener;
use std::process::{Child, Stdio};

use crate::engines::Home;
use crate::fixture::Fixture;
use crate::harness::{Finish as _, clean_command, project, wait_until};
use crate::object_server::required;
use crate::{behaviour, killed_writers};

/// The account and key that are the same in every Azurite.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

struct Azurite {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Azurite {
    /// A server with an empty container `bench`.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let number = port.to_string();
        let mut command = clean_command("node");
        command
            .current_dir(folder.path())
            .arg(required("IMAX_TEST_AZURITE"))
            .args(["--blobPort", &number, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck"])
            .arg("--disableTelemetry")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self {
            child: command.spawn().unwrap(),
            port,
            _folder: folder,
        };
        wait_until("Azurite makes a container", || {
            let mut make = clean_command("python3");
            let made = make
                .arg(project().join("tests/history/make_container.py"))
                .args([&number, "bench"])
                .finish();
            String::from_utf8_lossy(&made.stdout).starts_with("201")
        });
        server
    }

    /// A history of its own in the container.
    fn home<'a>(&self, name: &str, fixture: &'a Fixture) -> Home<'a> {
        Home {
            fixture,
            address: format!("az://bench/{name}"),
            environment: vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
                ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)),
            ],
        }
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

macro_rules! on_azurite {
    ($($module:ident::$behaviour:ident),+ $(,)?) => {
        #[test]
        #[ignore = "needs Azurite, tests/history/fetch_azurite.sh"]
        fn azure_behaves_as_databases_do_at_night() {
            let server = Azurite::start();
            $({
                eprintln!("{}", stringify!($behaviour));
                $module::$behaviour(&server.home(stringify!($behaviour), &Fixture::new()));
            })+
        }
    };
}

on_azurite!(
    behaviour::same_content_is_no_change_and_other_content_a_revision,
    behaviour::attempts_of_a_workflow_run_are_runs_of_their_own,
    behaviour::points_that_attempts_have_in_common_count_once,
    behaviour::entries_of_the_changelog_are_tied_to_curves,
    behaviour::prices_are_kept_with_their_days,
    behaviour::retracted_run_counts_no_more,
    behaviour::comparison_is_that_of_a_folder,
    behaviour::export_and_import_are_byte_stable,
    behaviour::dry_run_changes_nothing,
    killed_writers::writers_that_create_a_history_together_all_succeed,
    killed_writers::killed_writers_lose_and_repeat_nothing,
);
