//! YAML files to a checked catalog: master configs in both dialects and runner files. A dialect is known to the
//! parser alone; everything behind it sees one representation.
