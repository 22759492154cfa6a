//! The table of prices.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::counts::{Counts, Known};
use super::engine::Address;
use super::ingest::{Ingest, StoreError};
use super::read::AsOf;
use super::{Database, DatabaseError};
use crate::analysis::{DatedPrice, PriceKind, RowError};

/// Prices as of a change, in the order in which their providers came.
const SELECT: &str = "SELECT hardware, provider, kind, price_date, usd_per_gpu_hour, id, source FROM price \
                      WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY hardware, price_date, provider, kind";

impl Ingest<'_> {
    /// Stores prices: a known price changes nothing, another amount for the same day is a correction.
    ///
    /// # Errors
    /// [`DatabaseError`]; the ingest cannot continue then.
    pub(crate) async fn add_prices(&mut self, prices: &[DatedPrice]) -> Result<Counts, DatabaseError> {
        let address = self.address.clone();
        self.store_prices(prices).await.map_err(|error| error.at(&address))
    }

    async fn store_prices(&mut self, prices: &[DatedPrice]) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        if prices.is_empty() {
            return Ok(counts);
        }
        let rows = sqlx::query(SELECT).bind(i64::MAX).fetch_all(&mut *self.transaction).await?;
        let mut current = BTreeMap::new();
        for row in &rows {
            let price = price(row)?;
            current.insert(key(&price), (row.try_get::<i64, _>(5)?, price));
        }
        for price in prices {
            let before = current.get(&key(price));
            let known = match before {
                None => Known::New,
                Some((_, before)) if before == price => Known::Unchanged,
                Some(_) => Known::Revised,
            };
            counts.add(known);
            if known == Known::Unchanged {
                continue;
            }
            let before = before.map(|(id, _)| *id);
            let change = self.change().await?;
            if let Some(id) = before {
                sqlx::query("UPDATE price SET valid_to = $1 WHERE id = $2")
                    .bind(change)
                    .bind(id)
                    .execute(&mut *self.transaction)
                    .await?;
            }
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO price (valid_from, hardware, provider, kind, price_date, usd_per_gpu_hour, source) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 RETURNING id",
            )
            .bind(change)
            .bind(price.hardware.clone())
            .bind(price.provider.clone())
            .bind(price.kind.as_str())
            .bind(price.date.to_string())
            .bind(price.usd_per_gpu_hour)
            .bind(price.source.clone())
            .fetch_one(&mut *self.transaction)
            .await?;
            current.insert(key(price), (id, price.clone()));
        }
        Ok(counts)
    }
}

impl Database {
    /// The prices of a history, by hardware and day.
    ///
    /// # Errors
    /// [`DatabaseError`], including for rows that another program changed.
    pub(crate) async fn prices(&mut self, as_of: AsOf) -> Result<Vec<DatedPrice>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let rows = sqlx::query(SELECT).bind(change).fetch_all(&mut self.connection).await;
        let address: &Address = &self.address;
        let rows = rows.map_err(address.sql())?;
        let prices: Result<Vec<DatedPrice>, StoreError> = rows.iter().map(price).collect();
        prices.map_err(|error| error.at(address))
    }
}

fn key(price: &DatedPrice) -> (String, String, PriceKind, String) {
    (price.hardware.clone(), price.provider.clone(), price.kind, price.date.to_string())
}

fn price(row: &AnyRow) -> Result<DatedPrice, StoreError> {
    let (kind, date): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    let known = PriceKind::ALL.into_iter().find(|known| known.as_str() == kind);
    Ok(DatedPrice {
        hardware: row.try_get(0)?,
        provider: row.try_get(1)?,
        kind: known.ok_or(RowError::Value {
            what: "the kind of a price",
            found: kind,
            expected: "on-demand, spot, reserved or estimate",
        })?,
        date: date.parse().map_err(|_| RowError::Value {
            what: "the day of a price",
            found: date.clone(),
            expected: "a day such as 2026-11-30",
        })?,
        usd_per_gpu_hour: row.try_get(4)?,
        source: row.try_get(6)?,
    })
}
