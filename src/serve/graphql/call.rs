//! The requests to the routes of REST that one request of GraphQL is made of.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use serde_json::Value;
use tower_service::Service as _;

use super::{MOST_BYTES, MOST_QUERIES};

/// What the queries of a request share.
pub(super) struct Call {
    reads: Router,
    /// Of the one who asks, for what is not for everybody.
    authorization: Option<HeaderValue>,
    /// By path and query: what is asked for by two names is read once.
    read: HashMap<String, Arc<Value>>,
    begun: usize,
    bytes_left: usize,
}

/// Why a query has no answer.
#[derive(Debug)]
pub(super) struct QueryError {
    pub message: String,
    /// The status that REST answers with, where the routes were asked.
    pub status: Option<u16>,
}

impl QueryError {
    fn new(message: String) -> Self {
        Self { message, status: None }
    }
}

impl Call {
    pub(super) fn new(reads: Router, authorization: Option<HeaderValue>) -> Self {
        Self {
            reads,
            authorization,
            read: HashMap::new(),
            begun: 0,
            bytes_left: MOST_BYTES,
        }
    }

    /// The document at a path with its query.
    ///
    /// # Errors
    /// The problem that REST answers with; too many queries, too large answers.
    pub(super) async fn get(&mut self, target: &str) -> Result<Arc<Value>, QueryError> {
        if let Some(read) = self.read.get(target) {
            return Ok(Arc::clone(read));
        }
        self.begun += 1;
        if self.begun > MOST_QUERIES {
            return Err(QueryError::new(format!("a request has at most {MOST_QUERIES} different queries")));
        }
        let request = Request::builder()
            .uri(target)
            .header(ACCEPT, "application/json")
            .body(Body::empty());
        let mut request = request.map_err(|_| QueryError::new("the arguments are too long".to_owned()))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let response = match self.reads.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), self.bytes_left).await;
        // An answer that is broken off looks the same; the log has the reason.
        let body = body.map_err(|_| {
            QueryError::new(format!(
                "the answers of a request are larger than {MOST_BYTES} bytes; narrow them by filter, limit or fewer fields"
            ))
        })?;
        self.bytes_left -= body.len();
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            let document = Arc::new(document);
            self.read.insert(target.to_owned(), Arc::clone(&document));
            return Ok(document);
        }
        Err(QueryError {
            message: document["detail"].as_str().unwrap_or("the query failed").to_owned(),
            status: Some(status.as_u16()),
        })
    }
}
