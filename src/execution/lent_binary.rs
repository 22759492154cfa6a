//! The program of imax in the repository, for imax's own `benchmark_lib.sh` in a container that a launch script starts: such a container has
//! the repository at `/workspace` and nothing else of this machine. Launchers of imax mount the program themselves.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::context::JobContext;
use crate::job::RecipeStyle;
use crate::system::files;
use crate::system::untrusted;

/// The folder in the repository. Git ignores it, so that a checkout stays clean.
const FOLDER: &str = ".imax";
const PROGRAM: &str = "imax";
/// The library, in the recipe folder.
const LIBRARY: &str = "benchmark_lib.sh";
/// What distinguishes imax's library from that of InferenceX.
const MARK: &str = "IMAX_BIN";

/// The lent program, which is taken back at the end.
#[derive(Debug)]
pub(super) struct LentBinary {
    folder: PathBuf,
}

impl Drop for LentBinary {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.folder.join(PROGRAM));
        let _ = fs::remove_file(self.folder.join(".gitignore"));
        // A folder with other content stays.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Copies the program into the repository, if the job's library will look for it there. Without it, the library's error says what is
/// missing.
pub(super) fn lend(ctx: &JobContext) -> Option<LentBinary> {
    let is_wanted = match ctx.spec.recipe_style() {
        RecipeStyle::EngineOnly => false,
        RecipeStyle::SelfContained => ctx.spec.profile.is_launch_script(),
    };
    let library = is_wanted.then(|| untrusted::read_checked_out_text(&ctx.folders.recipes.join(LIBRARY)));
    if !library.is_some_and(|text| text.is_ok_and(|text| text.contains(MARK))) {
        return None;
    }
    let lent = LentBinary {
        folder: ctx.folders.repository.join(FOLDER),
    };
    if let Err(error) = copy(&lent.folder) {
        ctx.console.line(&format!(
            "warning: {} has no copy of imax for containers: {error}",
            lent.folder.display()
        ));
    }
    Some(lent)
}

fn copy(folder: &Path) -> io::Result<()> {
    let program = std::env::current_exe()?;
    // A link in its place could lead the copy out of the repository.
    if folder.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is not a folder"));
    }
    fs::create_dir_all(folder)?;
    files::write(&folder.join(".gitignore"), b"*\n").map_err(io::Error::other)?;
    let target = folder.join(PROGRAM);
    files::write_with(&target, |out| io::copy(&mut fs::File::open(&program)?, out).map(drop)).map_err(io::Error::other)?;
    fs::set_permissions(&target, fs::metadata(&program)?.permissions())
}
