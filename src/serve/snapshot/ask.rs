//! Requests to the API's routes within this process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::Request;
use axum::http::header::ACCEPT;
use serde::Deserialize;
use serde_json::{Map, Value};
use tower_service::Service as _;
use url::form_urlencoded::Serializer;

use super::SnapshotError;
use crate::serve::app::{AccessRules, App, Limits};
use crate::serve::history_metrics::ChosenCurves;
use crate::serve::source::Source;
use crate::serve::{blocking, body_cache, metrics, rate_limit, routes};
use crate::settings::Regressions;

/// How long the queries of one answer may take. No reader waits for them, so it is long.
pub(super) const QUERY_TIME: Duration = Duration::from_secs(600);
/// Connections to the history: answers are asked for one after another.
pub(super) const READERS: usize = 2;
/// Points that an answer is made of: all of a history; a statement's limit is a number of 64 bits with a sign.
const MOST_POINTS: usize = u32::MAX as usize;
/// The largest answer, bytes.
const MOST_BYTES: usize = 1 << 30;

/// A row of an answer.
pub(super) type Row = Map<String, Value>;

/// A list as the API answers it.
#[derive(Debug, Deserialize)]
struct List {
    data: Vec<Row>,
    next: Option<String>,
}

/// The routes over a history.
pub(in crate::serve) struct Asker {
    pub app: Arc<App>,
    router: Router,
}

impl Asker {
    pub(in crate::serve) fn new(source: Source, regressions: Regressions) -> Self {
        let app = Arc::new(App {
            source,
            rates: rate_limit::RateLimits::new(0, 0),
            limits: Limits {
                connections: READERS,
                readers: READERS,
                requests_per_second: 0,
                token_requests_per_second: 0,
                unread_time: QUERY_TIME,
                body: 0,
                points: MOST_POINTS,
                query_time: QUERY_TIME,
            },
            rules: AccessRules {
                cors_origins: Vec::new(),
                is_closed: false,
                is_writable: false,
                has_graphql: false,
                is_behind_proxy: false,
            },
            regressions,
            metrics: metrics::Metrics::default(),
            oidc: None,
            bodies: body_cache::BodyCache::default(),
            reads: blocking::ReadTurns::new(READERS),
            turn: tokio::sync::Mutex::default(),
            unpacking: tokio::sync::Mutex::default(),
            written: tokio::sync::Notify::new(),
            chosen_curves: ChosenCurves::default(),
        });
        let router = routes::reads().with_state(Arc::clone(&app));
        Self { app, router }
    }

    /// The answer to a path with parameters.
    ///
    /// # Errors
    /// [`SnapshotError::Answer`] with the problem's detail.
    pub(super) async fn bytes(&mut self, route: &str, parameters: &[(&str, &str)]) -> Result<Bytes, SnapshotError> {
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        let path = format!("{route}?{query}");
        let failed = |detail: String| SnapshotError::Answer {
            path: path.clone(),
            detail,
        };
        let request = Request::builder().uri(&path).header(ACCEPT, "application/json").body(Body::empty());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let bytes = to_bytes(response.into_body(), MOST_BYTES)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(failed(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The answer as JSON of a type.
    ///
    /// # Errors
    /// As [`Self::bytes`], and [`SnapshotError::Form`].
    pub(super) async fn get<T: for<'a> Deserialize<'a>>(&mut self, route: &str, parameters: &[(&str, &str)]) -> Result<T, SnapshotError> {
        let bytes = self.bytes(route, parameters).await?;
        serde_json::from_slice(&bytes).map_err(|source| SnapshotError::Form {
            path: route.to_owned(),
            source,
        })
    }

    /// A page of a list, and the cursor of the next one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn page(
        &mut self,
        route: &str,
        parameters: &[(&str, &str)],
        cursor: Option<&str>,
    ) -> Result<(Vec<Row>, Option<String>), SnapshotError> {
        let mut parameters = parameters.to_vec();
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let List { data, next } = self.get(route, &parameters).await?;
        Ok((data, next))
    }
}

/// A text of a row; empty where it has none.
pub(super) fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn whole(row: &Row, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// The filter for exactly one model: wildcards in its name are escaped.
pub(super) fn model_filter(model: &str) -> String {
    format!("model={}", globset::escape(model))
}
