//! Images of a registry that wants to know who pulls: Debian's `docker-registry` with a password, a login that the real client
//! wrote, a credential helper. And tags that move.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::container_engine::{Daemon, IMAGE};
use super::docker::{ENGINE, fixture_at};
use super::fixture::Fixture;
use crate::harness::wait_until;

const USER: &str = "ci";
/// Its letters are digits 62 and 63 in base64, whose two alphabets differ there.
const PASSWORD: &str = "p~?>~?>!";
/// `htpasswd` with bcrypt.
const PASSWORD_LINE: &str = "ci:$2y$05$abcdefghijklmnopqrstuuFrlMXOb/UNY7abpS5cKJAh78C.WMIG6\n";

/// A registry, and the folder in which the client keeps the login for it.
struct Registry {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Registry {
    fn start(daemon: &Daemon) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let below = |name: &str| folder.path().join(name).display().to_string();
        let address = format!("127.0.0.1:{}", imax::testing::free_port().unwrap());
        std::fs::write(below("passwords"), PASSWORD_LINE).unwrap();
        let settings = json!({
            "version": 0.1, "storage": {"filesystem": {"rootdirectory": below("data")}}, "http": {"addr": address},
            "auth": {"htpasswd": {"realm": "imax-test", "path": below("passwords")}}
        });
        std::fs::write(below("settings.yml"), settings.to_string()).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", &below("settings.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("needs docker-registry");
        let registry = Self { process, address, folder };
        wait_until("the registry answers", || std::net::TcpStream::connect(&registry.address).is_ok());
        registry.client(daemon, &["login", "--username", USER, "--password", PASSWORD, &registry.address]);
        registry
    }

    fn login(&self) -> String {
        self.folder.path().join("login").display().to_string()
    }

    fn client(&self, daemon: &Daemon, arguments: &[&str]) {
        let mut command = Command::new("docker");
        command.args(["--config", &self.login(), "-H", &format!("unix://{}", daemon.socket())]);
        let output = command.args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Puts an image of the engine into the registry, under a name that the engine then has too.
    fn push(&self, daemon: &Daemon, image: &str, name: &str) -> String {
        let name = format!("{}/{name}", self.address);
        self.client(daemon, &["tag", image, &name]);
        self.client(daemon, &["push", &name]);
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A fixture with an image of the registry and the folder of a login.
fn fixture(daemon: &Daemon, image: &str, settings: &str, login: &str) -> Fixture {
    let recipe = format!("echo \"the image is ${{GENERATION:-old}}\"\n{ENGINE}");
    let fixture = fixture_at(&daemon.socket(), &recipe, settings).environment("DOCKER_CONFIG", login);
    fixture.row(|row| row["image"] = json!(image));
    fixture
}

fn measured(fixture: &Fixture) -> Value {
    let ended = fixture.run();
    let log = fixture.read("out/server.log");
    assert_eq!(ended.code, Some(0), "{}\n{log}", ended.stderr);
    for text in [&ended.stderr, &log, &fixture.read("out/job.json")] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    fixture.job()["provenance"]["engine"]["image_digest"].clone()
}

fn empty(folder: &Path) -> String {
    std::fs::create_dir_all(folder).unwrap();
    folder.display().to_string()
}

#[test]
#[ignore = "needs docker.io, docker-registry and root"]
fn private_image_is_pulled_with_login_of_client_or_helper() {
    let daemon = Daemon::docker();
    let registry = Registry::start(daemon);
    let image = registry.push(daemon, IMAGE, "private/engine:1");
    let forget = || assert!(daemon.ask(&["rmi", &image]).is_some());

    forget();
    let nobody = fixture(daemon, &image, "", &empty(&registry.folder.path().join("nobody")));
    let ended = nobody.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let advice = format!("run `docker login {}` as the user of this runner", registry.address);
    assert!(ended.stderr.contains(&advice), "{}", ended.stderr);
    let pulls = nobody.job()["attempts"].to_string().matches("image-pull").count();
    assert_eq!(pulls, 1, "a refusal is not tried again");

    let with_login = fixture(daemon, &image, "", &registry.login());
    measured(&with_login);
    assert!(with_login.read("out/server.log").contains("with the login in"));

    forget();
    let helper = registry.folder.path().join("helper");
    let settings = json!({"credHelpers": {&registry.address: "imax-test"}});
    std::fs::write(Path::new(&empty(&helper)).join("config.json"), settings.to_string()).unwrap();
    let answer = json!({"ServerURL": registry.address, "Username": USER, "Secret": PASSWORD});
    let script = format!("read -r server; [ \"$1 $server\" = 'get {}' ] && echo '{answer}'", registry.address);
    let with_helper = fixture(daemon, &image, "", &helper.display().to_string());
    measured(&with_helper.tools(&[("docker-credential-imax-test", &script)]));
    forget();
}

#[test]
#[ignore = "needs docker.io, docker-registry and root"]
fn existing_image_is_pulled_again_with_pull_always() {
    let daemon = Daemon::docker();
    let registry = Registry::start(daemon);
    let container = daemon.ask(&["create", IMAGE, "/bin/sleep"]).unwrap();
    let newer = daemon.ask(&["commit", "--change", "ENV GENERATION=new", &container]).unwrap();
    daemon.ask(&["rm", &container]).unwrap();
    let image = registry.push(daemon, &newer, "moving/engine:1");
    // The node still has what the tag meant before.
    daemon.ask(&["tag", IMAGE, &image]).unwrap();

    let of = |settings: &str| {
        let fixture = fixture(daemon, &image, settings, &registry.login());
        let digest = measured(&fixture);
        let log = fixture.read("out/server.log");
        (digest, log.contains("the image is new"), log.contains("the image is old"))
    };
    let (old, ..) = of("");
    assert_eq!(of(", pull: missing"), (old.clone(), false, true));
    let (new, is_new, is_old) = of(", pull: always");
    assert_eq!((is_new, is_old), (true, false));
    assert_ne!(new, old);
    daemon.ask(&["rmi", &image]).unwrap();
}
