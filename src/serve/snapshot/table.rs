//! Rows by columns, which is a third of the bytes of rows with their names, and compresses better.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::ask::Row;

/// Rows with the same columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: usize,
    columns: Vec<(String, Vec<Value>)>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Adds a row. Columns that it lacks are null in it, columns that only it has are null in the others.
    pub(super) fn push(&mut self, mut row: Row) {
        for (name, cells) in &mut self.columns {
            cells.push(row.shift_remove(name).unwrap_or_default());
        }
        for (name, value) in row {
            let mut cells = vec![Value::Null; self.rows];
            cells.push(value);
            self.columns.push((name, cells));
        }
        self.rows += 1;
    }
}

impl FromIterator<Row> for Table {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|row| table.push(row));
        table
    }
}

/// A column of one value is written once.
fn column(cells: &[Value]) -> Value {
    match cells.first() {
        Some(first) if cells.iter().all(|cell| cell == first) => json!({ "all": first }),
        Some(_) | None => json!({ "each": cells }),
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns: Map<String, Value> = self.columns.iter().map(|(name, cells)| (name.clone(), column(cells))).collect();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("rows", &self.rows)?;
        map.serialize_entry("columns", &columns)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> Row {
        match value {
            Value::Object(row) => row,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Row::new(),
        }
    }

    #[test]
    fn columns_of_one_value_are_written_once() {
        let table: Table = [
            row(json!({ "model": "m", "conc": 4, "reason": null })),
            row(json!({ "model": "m", "conc": 8, "reason": null, "late": true })),
            row(json!({ "model": "m" })),
        ]
        .into_iter()
        .collect();
        let expected = json!({ "rows": 3, "columns": {
            "model": { "all": "m" }, "conc": { "each": [4, 8, null] }, "reason": { "all": null }, "late": { "each": [null, true, null] },
        } });
        assert_eq!(json!(table), expected);
        assert_eq!(json!(Table::default()), json!({ "rows": 0, "columns": {} }));
    }
}
