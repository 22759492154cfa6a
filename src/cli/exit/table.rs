//! Which exit code each error of a use case means: the only place where that is decided.

use super::{Exit, ExitOf};
use crate::fleet::launcher::LaunchError;

impl ExitOf for LaunchError {
    fn exit(&self) -> Exit {
        Exit::Infrastructure
    }
}
