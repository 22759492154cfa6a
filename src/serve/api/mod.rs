//! The routes under `/api/v1`, one file each.

pub(super) mod accuracy;
pub(super) mod annotations;
pub(super) mod changes;
pub(super) mod cheapest;
pub(super) mod compare;
pub(super) mod corrections;
pub(super) mod costs;
pub(super) mod deployments;
pub(super) mod evals;
pub(super) mod facets;
pub(super) mod files;
pub(super) mod frontier;
pub(super) mod hardware;
pub(super) mod ingest;
pub(super) mod pictures;
pub(super) mod point;
pub(super) mod points;
pub(super) mod projects;
pub(super) mod published;
pub(super) mod quarantine;
pub(super) mod reliability;
pub(super) mod runs;
pub(super) mod series;
