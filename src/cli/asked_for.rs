//! Which changelog entry asked for a point to be measured: the newest one that selects the config that the point belongs to. Alerts
//! and remarks stand there.

use std::collections::BTreeMap;
use std::path::Path;

use super::configs::{self, ConfigFiles};
use crate::analysis::Run;
use crate::changelog;
use crate::config::Entry;
use crate::model::{ConfigKey, CurveKey, Diagnostics, PointKey, SourceFile};

/// The first lines of the entries in a changelog that asked for the points of a run. A point is left out that no entry asks for, and
/// all are where the changelog or the configs cannot be read: a report is not the place to say what is wrong with them.
#[must_use]
pub fn lines(changelog: &Path, run: &Run) -> BTreeMap<PointKey, usize> {
    read(changelog, run).unwrap_or_default()
}

fn read(path: &Path, run: &Run) -> Option<BTreeMap<PointKey, usize>> {
    let mut found = Diagnostics::new();
    let source = path.is_file().then(|| configs::source(path, &mut found))??;
    let entries = changelog::additions(&SourceFile::new("", ""), &source).ok()?;
    let catalog = ConfigFiles::default().load().ok()?;
    let known: Vec<&ConfigKey> = catalog.entries.keys().collect();
    let mut lines = BTreeMap::new();
    for written in &entries {
        let selected = changelog::select(written, &known).unwrap_or_default();
        let configs: Vec<&Entry> = selected.iter().filter_map(|key| catalog.entries.get(*key)).collect();
        let points = run.points.iter().map(|point| &point.key);
        for point in points.filter(|point| configs.iter().any(|config| is_of(config, &point.curve))) {
            lines.insert(point.clone(), written.place.span.start.line);
        }
    }
    Some(lines)
}

fn is_of(config: &Entry, curve: &CurveKey) -> bool {
    config.model_prefix == curve.model_prefix
        && config.precision == curve.precision
        && config.framework == curve.framework
        && config.runner == curve.runner
        && config.disagg == curve.disagg
}
