//! The calibrations of this machine, one for each concurrency, in the user's cache folder. A figure of another machine, or of
//! another version of this program, is ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::load::Calibration;
use crate::system::environment;
use crate::system::files::{self, FileError};

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    machine: String,
    by_concurrency: BTreeMap<u32, Calibration>,
}

/// The store of this machine.
#[derive(Debug, Clone)]
pub struct CalibrationStore {
    path: PathBuf,
    machine: String,
}

impl CalibrationStore {
    /// The store in `$XDG_CACHE_HOME/imax`, else in `~/.cache/imax`; `None` if there is no home.
    #[must_use]
    pub fn of_this_machine() -> Option<Self> {
        Some(Self {
            path: environment::cache_folder()?.join("calibration.json"),
            machine: machine(),
        })
    }

    /// The stored figure for a concurrency.
    #[must_use]
    pub fn get(&self, concurrency: u32) -> Option<Calibration> {
        let found = self.read().by_concurrency.remove(&concurrency)?;
        (found.version == env!("CARGO_PKG_VERSION")).then_some(found)
    }

    /// Stores a figure, replacing an older one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put(&self, calibration: &Calibration) -> Result<(), FileError> {
        let mut stored = self.read();
        stored.machine.clone_from(&self.machine);
        stored.by_concurrency.insert(calibration.concurrency, calibration.clone());
        files::write_json(&self.path, &stored)
    }

    /// What is stored; nothing if the file is missing, broken, or another machine's.
    fn read(&self) -> Stored {
        let stored = files::read(&self.path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        stored.filter(|stored| stored.machine == self.machine).unwrap_or_default()
    }
}

/// Identifies the machine by what affects the calibration: host name, kernel release and number of cores.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} {} {cores} cores", kernel_setting("hostname"), kernel_setting("osrelease"))
}

fn kernel_setting(name: &str) -> String {
    let text = files::read_text(&PathBuf::from("/proc/sys/kernel").join(name)).unwrap_or_default();
    text.trim().to_owned()
}
