//! Stores runs, and distinguishes new, unchanged and corrected content. All runs of one [`Ingest`] are stored in one
//! transaction, or none of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::{Any, Row as _, Transaction};

use super::engine::Address;
use super::eval_table::{self, NewEval};
use super::point_table::{self, NewPoint};
use super::{Database, DatabaseError, insert_change, latest, level_table};
use crate::analysis::{PointColumns, PointRow, Quarantined, RowError, RunHeader, RunIdentity, RunRows};
use crate::model::saturating;
use crate::model::{CURVE_KEY_VERSION, CurveKey, Digest, SpecDecoding, Workload};

/// A run to store.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub rows: RunRows,
    pub source: Source,
}

/// The file that rows were read from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub name: String,
    pub bytes: u64,
    pub digest: Digest,
}

/// Numbers of new, unchanged and corrected items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Counts {
    pub new: u64,
    pub unchanged: u64,
    pub revised: u64,
}

impl Counts {
    fn merge(&mut self, other: Self) {
        self.new += other.new;
        self.unchanged += other.unchanged;
        self.revised += other.revised;
    }

    pub(crate) fn add(&mut self, known: Known) {
        match known {
            Known::New => self.new += 1,
            Known::Unchanged => self.unchanged += 1,
            Known::Revised => self.revised += 1,
        }
    }
}

/// What was stored of an item before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Unchanged,
    Revised,
}

/// The counts of an ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IngestCounts {
    pub runs: Counts,
    pub points: Counts,
    pub evals: Counts,
    /// Results of other benchmarks.
    pub published: Counts,
    /// Rows that could not be interpreted.
    pub quarantined: u64,
}

impl IngestCounts {
    /// The counts of a run that is there already as a whole.
    pub(crate) fn unchanged(rows: &RunRows) -> Self {
        let unchanged = |number: usize| Counts {
            unchanged: number as u64,
            ..Counts::default()
        };
        Self {
            runs: unchanged(1),
            points: unchanged(rows.points.len()),
            evals: unchanged(rows.evals.len()),
            ..Self::default()
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        let Self {
            runs,
            points,
            evals,
            published,
            quarantined,
        } = other;
        self.runs.merge(runs);
        self.points.merge(points);
        self.evals.merge(evals);
        self.published.merge(published);
        self.quarantined += quarantined;
    }
}

/// An uncommitted ingest. Dropping it stores nothing.
pub(crate) struct Ingest<'a> {
    pub(super) transaction: Transaction<'a, Any>,
    pub(super) address: Address,
    action: &'static str,
    author: Option<String>,
    /// The change, once something has changed.
    change: Option<i64>,
    pub(super) counts: IngestCounts,
}

impl Database {
    /// Starts an ingest. `action` and `author` are kept with the change.
    ///
    /// # Errors
    /// [`DatabaseError`] if another writer does not finish in time.
    pub(crate) async fn ingest(&mut self, action: &'static str, author: Option<String>) -> Result<Ingest<'_>, DatabaseError> {
        let address = self.address.clone();
        Ok(Ingest {
            transaction: self.begin().await?,
            address,
            action,
            author,
            change: None,
            counts: IngestCounts::default(),
        })
    }
}

impl Ingest<'_> {
    /// The counts so far.
    pub(crate) fn counts(&self) -> IngestCounts {
        self.counts
    }

    /// Commits.
    ///
    /// # Errors
    /// [`DatabaseError`]; nothing is stored then.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        let Self { transaction, address, .. } = self;
        transaction.commit().await.map_err(address.sql())
    }

    /// Rolls back.
    ///
    /// # Errors
    /// [`DatabaseError`]; nothing is stored in any case.
    pub(crate) async fn roll_back(self) -> Result<(), DatabaseError> {
        let Self { transaction, address, .. } = self;
        transaction.rollback().await.map_err(address.sql())
    }

    /// Stores rows of a source that could not be interpreted, each row once.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn quarantine(&mut self, source: &Source, rows: &[Quarantined]) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        self.keep_quarantined(source, rows).await.map_err(address.sql())
    }

    async fn keep_quarantined(&mut self, source: &Source, rows: &[Quarantined]) -> Result<(), sqlx::Error> {
        for row in rows {
            self.counts.quarantined += 1;
            let digest = Digest::of(format!("{}\n{}\n{}", source.digest, row.place, row.payload).as_bytes());
            let known: Option<i64> = sqlx::query_scalar("SELECT id FROM quarantine WHERE digest = $1")
                .bind(digest.as_slice().to_vec())
                .fetch_optional(&mut *self.transaction)
                .await?;
            if known.is_some() {
                continue;
            }
            let change = self.change().await?;
            // NUL is the one character that PostgreSQL's text cannot hold.
            sqlx::query("INSERT INTO quarantine (change_id, source, place, reason, payload, digest) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(change)
                .bind(source.name.replace('\0', "\u{fffd}"))
                .bind(row.place.clone())
                .bind(row.reason.replace('\0', "\u{fffd}"))
                .bind(row.payload.replace('\0', "\u{fffd}"))
                .bind(digest.as_slice().to_vec())
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Stores a run. Points and scores that an earlier document of the run had and this one lacks stay as they are.
    ///
    /// # Errors
    /// [`DatabaseError`]; the ingest cannot continue then.
    pub(crate) async fn add(&mut self, incoming: &Incoming) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        self.store(incoming).await.map_err(|error| error.at(&address))
    }

    async fn store(&mut self, incoming: &Incoming) -> Result<(), StoreError> {
        let Incoming { rows, source } = incoming;
        let project = self.project(&rows.project).await?;
        if self.is_repetition(project, rows).await? {
            self.counts.merge(IngestCounts::unchanged(rows));
            return Ok(());
        }
        let run = self.run(project, &rows.identity).await?;
        let before = self.current_header(run).await?;
        let header = match &before {
            None => Known::New,
            Some(current) if current.digest == rows.header.digest.as_slice() => Known::Unchanged,
            Some(_) => Known::Revised,
        };
        if header != Known::Unchanged {
            self.store_header(run, &rows.header, before.as_ref(), source).await?;
        }
        let counted = self.counts;
        let curves = self.store_points(project, run, &rows.points, source).await?;
        self.store_evals(run, rows).await?;
        let has_new_records = self.store_records(run, &rows.records).await?;
        let after = self.counts;
        let has_changed = has_new_records
            || after.points.new + after.points.revised > counted.points.new + counted.points.revised
            || after.evals.new + after.evals.revised > counted.evals.new + counted.evals.revised;
        self.counts.runs.add(match header {
            Known::Unchanged if has_changed => Known::Revised,
            Known::New | Known::Unchanged | Known::Revised => header,
        });
        if header != Known::Unchanged || has_changed {
            self.update_latest(run, &rows.header, &curves).await?;
            // A correction may make another run the newest one; a new run can only become the newest itself.
            if let Some(before) = before {
                let branch = rows.header.branch.as_deref().unwrap_or_default();
                latest::recompute(&mut self.transaction, run, branch).await?;
                if before.branch != rows.header.branch {
                    latest::recompute(&mut self.transaction, run, before.branch.as_deref().unwrap_or_default()).await?;
                    level_table::recompute(&mut self.transaction, run, before.branch.as_deref().unwrap_or_default()).await?;
                }
            }
            level_table::recompute(&mut self.transaction, run, rows.header.branch.as_deref().unwrap_or_default()).await?;
        }
        Ok(())
    }

    /// Whether an earlier attempt of the workflow run has the same results, because only a job that reports them ran again.
    async fn is_repetition(&mut self, project: i64, rows: &RunRows) -> Result<bool, sqlx::Error> {
        let identity = &rows.identity;
        if identity.attempt <= 1 || identity.provider == RunIdentity::BY_CONTENT {
            return Ok(false);
        }
        let statement = "SELECT r.id, d.digest FROM run r JOIN (SELECT run_id, digest FROM point WHERE valid_to IS NULL \
                         UNION ALL SELECT run_id, digest FROM eval WHERE valid_to IS NULL) d ON d.run_id = r.id \
                         WHERE r.project_id = $1 AND r.provider = $2 AND r.repository = $3 AND r.external_id = $4 AND r.attempt < $5";
        let found = sqlx::query(statement)
            .bind(project)
            .bind(identity.provider.clone())
            .bind(identity.repository.clone())
            .bind(identity.run_id.clone())
            .bind(identity.attempt)
            .fetch_all(&mut *self.transaction)
            .await?;
        let mut earlier: BTreeMap<i64, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for row in &found {
            earlier.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
        }
        let new: BTreeSet<Vec<u8>> = rows.result_digests().iter().map(|digest| digest.as_slice().to_vec()).collect();
        Ok(rows.has_numbers() && earlier.values().any(|digests| *digests == new))
    }

    /// The number of this change. Its row is inserted on first use, so that an ingest without changes adds none.
    pub(super) async fn change(&mut self) -> Result<i64, sqlx::Error> {
        if let Some(change) = self.change {
            return Ok(change);
        }
        let change = insert_change(&mut self.transaction, self.action, self.author.as_deref()).await?;
        self.change = Some(change);
        Ok(change)
    }

    pub(super) async fn project(&mut self, slug: &str) -> Result<i64, sqlx::Error> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM project WHERE slug = $1")
            .bind(slug.to_owned())
            .fetch_optional(&mut *self.transaction)
            .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        sqlx::query_scalar("INSERT INTO project (slug) VALUES ($1) RETURNING id")
            .bind(slug.to_owned())
            .fetch_one(&mut *self.transaction)
            .await
    }

    async fn run(&mut self, project: i64, identity: &RunIdentity) -> Result<i64, sqlx::Error> {
        let RunIdentity {
            provider,
            repository,
            run_id,
            attempt,
        } = identity;
        let known: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM run WHERE project_id = $1 AND provider = $2 AND repository = $3 AND external_id = $4 AND attempt = $5",
        )
        .bind(project)
        .bind(provider.clone())
        .bind(repository.clone())
        .bind(run_id.clone())
        .bind(*attempt)
        .fetch_optional(&mut *self.transaction)
        .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        sqlx::query_scalar(
            "INSERT INTO run (project_id, provider, repository, external_id, attempt) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(project)
        .bind(provider.clone())
        .bind(repository.clone())
        .bind(run_id.clone())
        .bind(*attempt)
        .fetch_one(&mut *self.transaction)
        .await
    }

    async fn current_header(&mut self, run: i64) -> Result<Option<CurrentHeader>, sqlx::Error> {
        let statement = "SELECT revision, digest, branch FROM run_revision WHERE run_id = $1 AND valid_to IS NULL";
        let row = sqlx::query(statement).bind(run).fetch_optional(&mut *self.transaction).await?;
        let read = |row: sqlx::any::AnyRow| {
            Ok::<_, sqlx::Error>(CurrentHeader {
                revision: row.try_get(0)?,
                digest: row.try_get(1)?,
                branch: row.try_get(2)?,
            })
        };
        row.map(read).transpose()
    }

    async fn store_header(
        &mut self,
        run: i64,
        header: &RunHeader,
        before: Option<&CurrentHeader>,
        source: &Source,
    ) -> Result<(), sqlx::Error> {
        let change = self.change().await?;
        self.store_source(source, change).await?;
        sqlx::query("UPDATE run_revision SET valid_to = $1 WHERE run_id = $2 AND valid_to IS NULL")
            .bind(change)
            .bind(run)
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query(
            "INSERT INTO run_revision (run_id, revision, valid_from, kind, branch, commit_sha, started_ms, document, digest, source_digest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(run)
        .bind(before.map_or(1, |before| before.revision + 1))
        .bind(change)
        .bind(header.kind.as_str().to_owned())
        .bind(header.branch.clone())
        .bind(header.commit.clone())
        .bind(header.started_ms)
        .bind(header.document.clone())
        .bind(header.digest.as_slice().to_vec())
        .bind(source.digest.as_slice().to_vec())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    pub(super) async fn store_source(&mut self, source: &Source, change: i64) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO source_file (digest, name, bytes, change_id) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING")
            .bind(source.digest.as_slice().to_vec())
            .bind(source.name.clone())
            .bind(saturating::to_i64(source.bytes))
            .bind(change)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Stores points and returns the curves of the measured ones.
    async fn store_points(&mut self, project: i64, run: i64, points: &[PointRow], source: &Source) -> Result<Vec<i64>, StoreError> {
        let current = self
            .current_digests(
                "SELECT point_key_id, revision, digest FROM point WHERE run_id = $1 AND valid_to IS NULL",
                run,
            )
            .await?;
        let mut by_curve: BTreeMap<Digest, Vec<&PointRow>> = BTreeMap::new();
        for point in points {
            by_curve.entry(point.curve).or_default().push(point);
        }
        let mut measured = Vec::new();
        let mut changed = Vec::new();
        for (hash, of_curve) in by_curve {
            let Some(first) = of_curve.first() else { continue };
            let curve = self.curve(project, hash, &first.point.key.curve).await?;
            if of_curve.iter().any(|row| row.point.measurement().is_some()) {
                measured.push(curve);
            }
            let keys = self.point_keys(curve, &of_curve).await?;
            for row in of_curve {
                let Some(key) = keys.get(&i64::from(row.point.key.conc.get())) else {
                    continue;
                };
                let known = match current.get(key) {
                    None => Known::New,
                    Some((_, digest)) if digest == row.digest.as_slice() => Known::Unchanged,
                    Some(_) => Known::Revised,
                };
                self.counts.points.add(known);
                if known != Known::Unchanged {
                    changed.push((*key, current.get(key).map_or(1, |(revision, _)| revision + 1), row));
                }
            }
        }
        self.insert_points(run, &changed, source).await?;
        Ok(measured)
    }

    async fn insert_points(&mut self, run: i64, points: &[(i64, i64, &PointRow)], source: &Source) -> Result<(), StoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let change = self.change().await?;
        self.store_source(source, change).await?;
        for (key, revision, _) in points {
            if *revision > 1 {
                sqlx::query("UPDATE point SET valid_to = $1 WHERE run_id = $2 AND point_key_id = $3 AND valid_to IS NULL")
                    .bind(change)
                    .bind(run)
                    .bind(*key)
                    .execute(&mut *self.transaction)
                    .await?;
            }
        }
        for chunk in points.chunks(point_table::rows_of_a_statement(&self.address)) {
            let rows: Result<Vec<NewPoint<'_>>, RowError> = chunk
                .iter()
                .map(|(key, revision, row)| {
                    Ok(NewPoint {
                        run_id: run,
                        point_key_id: *key,
                        revision: *revision,
                        change,
                        source: Some(source.digest),
                        row,
                        columns: PointColumns::of(&row.point)?,
                    })
                })
                .collect();
            point_table::insert(rows?).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    async fn store_evals(&mut self, run: i64, rows: &RunRows) -> Result<(), StoreError> {
        if rows.evals.is_empty() {
            return Ok(());
        }
        let mut current = BTreeMap::new();
        let statement = "SELECT key_hash, revision, digest FROM eval WHERE run_id = $1 AND valid_to IS NULL";
        for row in sqlx::query(statement).bind(run).fetch_all(&mut *self.transaction).await? {
            current.insert(
                row.try_get::<Vec<u8>, _>(0)?,
                (row.try_get::<i64, _>(1)?, row.try_get::<Vec<u8>, _>(2)?),
            );
        }
        let mut seen = BTreeSet::new();
        for row in &rows.evals {
            // Of scores with the same key the first one counts, as in comparisons.
            if !seen.insert(row.key) {
                continue;
            }
            let before = current.get(row.key.as_slice());
            let known = match before {
                None => Known::New,
                Some((_, digest)) if digest == row.digest.as_slice() => Known::Unchanged,
                Some(_) => Known::Revised,
            };
            self.counts.evals.add(known);
            if known == Known::Unchanged {
                continue;
            }
            let change = self.change().await?;
            sqlx::query("UPDATE eval SET valid_to = $1 WHERE run_id = $2 AND key_hash = $3 AND valid_to IS NULL")
                .bind(change)
                .bind(run)
                .bind(row.key.as_slice().to_vec())
                .execute(&mut *self.transaction)
                .await?;
            let new = NewEval {
                run_id: run,
                revision: before.map_or(1, |(revision, _)| revision + 1),
                change,
                row,
            };
            eval_table::insert(&new)?.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    /// Revisions and digests by a numeric key.
    async fn current_digests(&mut self, statement: &'static str, run: i64) -> Result<BTreeMap<i64, (i64, Vec<u8>)>, sqlx::Error> {
        let mut current = BTreeMap::new();
        for row in sqlx::query(statement).bind(run).fetch_all(&mut *self.transaction).await? {
            current.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
        }
        Ok(current)
    }

    async fn curve(&mut self, project: i64, hash: Digest, key: &CurveKey) -> Result<i64, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM curve WHERE project_id = $1 AND key_hash = $2")
            .bind(project)
            .bind(hash.as_slice().to_vec())
            .fetch_optional(&mut *self.transaction)
            .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        let document = serde_json::to_string(key).map_err(|source| RowError::Json {
            what: "the curve's key",
            source,
        })?;
        let (scenario, lens) = match key.workload {
            Workload::FixedSeqLen(lens) => ("fixed-seq-len", Some(lens)),
            Workload::AgenticCoding => ("agentic-coding", None),
        };
        let drafting: SpecDecoding = key.spec_decoding;
        let id = sqlx::query_scalar(
            "INSERT INTO curve (project_id, key_hash, key_version, document, model_prefix, precision, hardware, framework, spec_decoding, \
             disagg, scenario, isl, osl, layout) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
        )
        .bind(project)
        .bind(hash.as_slice().to_vec())
        .bind(i64::from(CURVE_KEY_VERSION))
        .bind(document)
        .bind(key.model_prefix.as_str().to_owned())
        .bind(key.precision.as_str().to_owned())
        .bind(key.runner.as_str().to_owned())
        .bind(key.framework.as_str().to_owned())
        .bind(drafting.as_str().to_owned())
        .bind(i64::from(key.disagg))
        .bind(scenario.to_owned())
        .bind(lens.map(|lens| i64::from(lens.isl.get())))
        .bind(lens.map(|lens| i64::from(lens.osl.get())))
        .bind(key.layout.clone())
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(id)
    }

    /// The numbers of a curve's points by their concurrency; those that are new are inserted.
    async fn point_keys(&mut self, curve: i64, points: &[&PointRow]) -> Result<BTreeMap<i64, i64>, sqlx::Error> {
        let mut keys = BTreeMap::new();
        let statement = "SELECT load, id FROM point_key WHERE curve_id = $1 AND load_kind = 'concurrency'";
        for row in sqlx::query(statement).bind(curve).fetch_all(&mut *self.transaction).await? {
            keys.insert(row.try_get(0)?, row.try_get(1)?);
        }
        for point in points {
            let load = i64::from(point.point.key.conc.get());
            if keys.contains_key(&load) {
                continue;
            }
            let id = sqlx::query_scalar("INSERT INTO point_key (curve_id, load_kind, load) VALUES ($1, 'concurrency', $2) RETURNING id")
                .bind(curve)
                .bind(load)
                .fetch_one(&mut *self.transaction)
                .await?;
            keys.insert(load, id);
        }
        Ok(keys)
    }

    /// Makes the run the newest one of its curves unless it is older than the current one.
    async fn update_latest(&mut self, run: i64, header: &RunHeader, curves: &[i64]) -> Result<(), sqlx::Error> {
        for curve in curves {
            sqlx::query(
                "INSERT INTO curve_latest (curve_id, branch, run_id, started_ms) SELECT $1, $2, $3, $4 \
                 WHERE NOT EXISTS (SELECT 1 FROM retraction WHERE run_id = $3 AND valid_to IS NULL) \
                 ON CONFLICT (curve_id, branch) DO UPDATE SET run_id = excluded.run_id, started_ms = excluded.started_ms \
                 WHERE excluded.started_ms > curve_latest.started_ms \
                 OR (excluded.started_ms = curve_latest.started_ms AND excluded.run_id >= curve_latest.run_id)",
            )
            .bind(*curve)
            .bind(header.branch.clone().unwrap_or_default())
            .bind(run)
            .bind(header.started_ms)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }
}

/// A run's current revision.
struct CurrentHeader {
    revision: i64,
    digest: Vec<u8>,
    branch: Option<String>,
}

pub(super) enum StoreError {
    Sql(sqlx::Error),
    Row(RowError),
}

impl StoreError {
    /// The error with the address.
    pub(super) fn at(self, address: &Address) -> DatabaseError {
        match self {
            Self::Sql(source) => address.error(source),
            Self::Row(source) => address.row()(source),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}
