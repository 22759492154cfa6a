//! Answers: lists of rows in memory, documents, and points that are streamed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::Value;

use super::app::App;
use super::blocking::ReadTurns;
use super::cursor;
use super::encode::{Column, Encoder, table_of};
use super::error::ApiError;
use super::format::Format;
use super::source::Served;
use crate::model::with_causes;
use crate::store::database::{PointCursor, PointReader, PointRow};
use crate::store::export::Cell;

/// Points of one page of a stream.
const PAGE: usize = 1000;
/// An answer of fewer bytes is made before it is sent, so that its errors have a status.
const MOST_WHOLE: usize = 256 << 10;

/// The JSON form of rows.
pub(super) fn values<T: Serialize>(rows: &[T]) -> Result<Vec<Value>, ApiError> {
    let values: Result<Vec<Value>, _> = rows.iter().map(serde_json::to_value).collect();
    values.map_err(ApiError::internal)
}

/// A list of rows; `next` is where the next page begins.
pub(super) fn list(format: Format, rows: &[Value], next: Option<&str>) -> Result<Response, ApiError> {
    if format == Format::Json {
        // Nested members stay as they are.
        let document = serde_json::json!({ "data": rows, "next": next });
        return json(&document);
    }
    let (columns, cells) = table_of(rows);
    let (mut encoder, mut bytes) = Encoder::start(format, columns)?;
    bytes.extend(encoder.rows(&cells)?);
    bytes.extend(encoder.end(next)?);
    Ok(with_type(format, Body::from(bytes)))
}

/// A document, whose `member` is what other formats than JSON have.
pub(super) fn document(format: Format, document: &Value, member: &str) -> Result<Response, ApiError> {
    match format {
        Format::Json => json(document),
        Format::Csv | Format::Ndjson | Format::Parquet => {
            let rows = document[member].as_array().cloned().unwrap_or_default();
            list(format, &rows, None)
        }
    }
}

fn json(document: &Value) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(document).map_err(ApiError::internal)?;
    Ok(with_type(Format::Json, Body::from(bytes)))
}

fn with_type(format: Format, body: Body) -> Response {
    let mut response = body.into_response();
    let value = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// Points that are read while they are sent.
struct PointStream {
    /// The state of the history that is read, also if a newer one is served since.
    served: Arc<Served>,
    points: PointReader,
    /// `None` at the end.
    encoder: Option<Encoder>,
    /// What was made and not sent.
    ready: Vec<u8>,
    left: usize,
    /// Whether the end at the limit is what was asked for. An export that reaches a bound of the server must not pass for the whole.
    is_asked_for: bool,
    last: Option<PointCursor>,
    page_time: Duration,
    turns: ReadTurns,
}

/// Streams points in a format: `limit` of them, or all where the answer may be made of them.
///
/// # Errors
/// Those of the first [`MOST_WHOLE`] bytes; later ones break off the body.
pub(super) async fn points(app: &App, format: Format, points: PointReader, limit: Option<usize>) -> Result<Response, ApiError> {
    let columns = points.columns().iter().map(|column| Column {
        name: column.name.clone(),
        kind: column.kind,
    });
    let (encoder, ready) = Encoder::start(format, columns.collect())?;
    let mut stream = PointStream {
        served: app.served(),
        points,
        encoder: Some(encoder),
        ready,
        left: limit.unwrap_or(app.limits.points),
        is_asked_for: limit.is_some(),
        last: None,
        page_time: app.limits.query_time,
        turns: app.reads.clone(),
    };
    while stream.ready.len() < MOST_WHOLE {
        let Some(most) = stream.wanted() else {
            // An answer that is whole has a length, and can be kept.
            return Ok(with_type(format, Body::from(stream.ready)));
        };
        let rows = page(&stream.served, &mut stream.points, most).await?;
        let part = stream.part(rows)?;
        stream.ready.extend(part);
    }
    let parts = stream::try_unfold(stream, |mut stream| async move {
        if !stream.ready.is_empty() {
            return Ok(Some((Bytes::from(std::mem::take(&mut stream.ready)), stream)));
        }
        match stream.next_part().await {
            Ok(next) => Ok(next.map(|(part, stream)| (Bytes::from(part), stream))),
            Err(error) => {
                tracing::warn!(error = with_causes(&error), "an export was broken off");
                Err(io::Error::other(error.to_string()))
            }
        }
    });
    Ok(with_type(format, Body::from_stream(parts)))
}

/// Rows behind those that were read. Between two pages no connection to the history is held, however slow the client is.
async fn page(served: &Served, points: &mut PointReader, most: usize) -> Result<Vec<PointRow>, ApiError> {
    let mut reader = served.readers.take().await?;
    let rows = points.page(&mut reader, most).await?;
    reader.give_back();
    Ok(rows)
}

impl PointStream {
    /// How many rows the next part is made of at most; `None` at the end.
    fn wanted(&self) -> Option<usize> {
        self.encoder.as_ref()?;
        // Behind the limit, one row tells whether there are more.
        Some(if self.left == 0 { 1 } else { PAGE.min(self.left) })
    }

    /// The part of the rows that were wanted.
    fn part(&mut self, rows: Vec<PointRow>) -> Result<Vec<u8>, ApiError> {
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(Vec::new());
        };
        if rows.is_empty() {
            return encoder.end(None);
        }
        if self.left == 0 {
            if !self.is_asked_for {
                return Err(ApiError::Invalid("the export has more points than one answer may have".to_owned()));
            }
            return encoder.end(self.last.map(cursor::text).as_deref());
        }
        self.left -= rows.len();
        self.last = rows.last().map(|row| row.cursor);
        let cells: Vec<Vec<Cell>> = rows.into_iter().map(|row| row.cells).collect();
        let part = encoder.rows(&cells)?;
        self.encoder = Some(encoder);
        Ok(part)
    }

    /// The next part, and the stream behind it; `None` at the end.
    async fn next_part(mut self) -> Result<Option<(Vec<u8>, Self)>, ApiError> {
        let Some(most) = self.wanted() else { return Ok(None) };
        let (time, turns) = (self.page_time, self.turns.clone());
        let read = move || async move {
            let rows = page(&self.served, &mut self.points, most).await?;
            let part = self.part(rows)?;
            Ok((part, self))
        };
        turns.run(time, read).await.map(Some)
    }
}
