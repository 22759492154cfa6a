//! The task of a command line of `imax bench`.

use super::BenchArgs;
use super::settings::ArgumentError;
use crate::measure::{BenchSettings, SearchSettings};

#[derive(Debug)]
pub enum BenchTask {
    /// Measure the given loads.
    Loads(Box<BenchSettings>),
    /// Search for a load.
    Search(Box<SearchSettings>),
    /// Detect the settings of a server and measure it for about a minute.
    UrlAlone(Box<SearchSettings>),
}

impl TryFrom<BenchArgs> for BenchTask {
    type Error = ArgumentError;

    fn try_from(arguments: BenchArgs) -> Result<Self, ArgumentError> {
        if arguments.is_url_alone() {
            return arguments.into_quick_search().map(|search| Self::UrlAlone(Box::new(search)));
        }
        let search = arguments.search.clone();
        let scales_requests = arguments.has_default_extent();
        let bench = BenchSettings::try_from(arguments)?;
        Ok(match search.into_search(&bench, scales_requests)? {
            Some(search) => Self::Search(Box::new(search)),
            None => Self::Loads(Box::new(bench)),
        })
    }
}
