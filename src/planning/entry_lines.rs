//! The changelog entry that each point of a run belongs to: the newest one that selects the point's config. Code-scanning
//! alerts and annotations point to its line.

use std::collections::BTreeMap;
use std::path::Path;

use super::Warn;
use super::config_files::ConfigFiles;
use super::source_file::read_source;
use crate::analysis::Run;
use crate::changelog;
use crate::config::Entry;
use crate::model::{ConfigKey, CurveKey, Diagnostics, PointKey, SourceFile};

/// The first lines of the entries that the points of a run belong to. Points without an entry are left out. The result is empty if
/// changelog or configs cannot be read: reports do not show findings in them.
pub(crate) fn entry_lines(changelog: &Path, run: &Run, warn: Warn<'_>) -> BTreeMap<PointKey, usize> {
    read_entry_lines(changelog, run, warn).unwrap_or_default()
}

fn read_entry_lines(path: &Path, run: &Run, warn: Warn<'_>) -> Option<BTreeMap<PointKey, usize>> {
    if !path.is_file() {
        return None;
    }
    let source = read_source(path, &mut Diagnostics::new())?;
    let entries = changelog::additions(&SourceFile::new("", ""), &source).ok()?;
    let catalog = ConfigFiles::default().load(warn).ok()?;
    let keys: Vec<&ConfigKey> = catalog.entries.keys().collect();
    let mut lines = BTreeMap::new();
    for written in &entries {
        let selected = changelog::select(written, &keys).unwrap_or_default();
        let configs: Vec<&Entry> = selected.iter().filter_map(|key| catalog.entries.get(*key)).collect();
        for point in &run.points {
            if configs.iter().any(|config| has_curve(config, &point.key.curve)) {
                lines.insert(point.key.clone(), written.place.span.start.line);
            }
        }
    }
    Some(lines)
}

fn has_curve(config: &Entry, curve: &CurveKey) -> bool {
    config.model_prefix == curve.model_prefix
        && config.precision == curve.precision
        && config.framework == curve.framework
        && config.runner == curve.runner
        && config.disagg == curve.disagg
}
