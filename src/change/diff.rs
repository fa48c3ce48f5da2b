//! From two images of a row to the record of what changed.

use super::matching::WatchedColumns;
use super::operation::{ColumnNumber, Operation};
use super::record::RecordWriter;

/// Which image of the row: before or after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Old,
    New,
}

/// The row images of one change. An insert has no old image, a delete no new one.
pub trait RowPair {
    /// Whether the stored images of the column differ. Never the type's `=`: json has none, and numeric's
    /// says that 1.0 and 1.00 are the same.
    fn differs(&self, column: ColumnNumber) -> bool;

    /// Appends the value's JSON. False, if the value cannot be rendered.
    fn json(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>) -> bool;

    /// Appends the canonical text form of a key column.
    fn text(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>);
}

/// The columns among `candidates` in which the images differ and that are watched, in the given order.
pub fn changed_columns(
    row: &impl RowPair,
    candidates: impl Iterator<Item = ColumnNumber>,
    watched: &WatchedColumns,
) -> Vec<ColumnNumber> {
    candidates
        .filter(|&column| watched.contains(column) && row.differs(column))
        .collect()
}

/// Starts a record with the key of one image.
pub fn start<'a>(
    operation: Operation,
    row: &impl RowPair,
    side: Side,
    key: &[ColumnNumber],
    out: &'a mut Vec<u8>,
) -> RecordWriter<'a> {
    let mut writer = RecordWriter::new(operation, key.len(), out);
    for &column in key {
        writer.key(
            column,
            |out| {
                let start = out.len();
                if !row.json(side, column, out) {
                    // A key is never null.
                    out.truncate(start);
                    out.extend_from_slice(b"\"\"");
                }
            },
            |out| row.text(side, column, out),
        );
    }
    writer
}

/// The parts of an insert: the new values of these columns.
pub fn inserted(
    writer: &mut RecordWriter,
    row: &impl RowPair,
    columns: impl Iterator<Item = ColumnNumber>,
) {
    for column in columns {
        writer.part(
            column,
            |out| row.json(Side::New, column, out),
            None::<fn(&mut Vec<u8>) -> bool>,
        );
    }
}

/// The parts of an update: the new and the old values of these columns.
pub fn updated(writer: &mut RecordWriter, row: &impl RowPair, columns: &[ColumnNumber]) {
    for &column in columns {
        writer.part(
            column,
            |out| row.json(Side::New, column, out),
            Some(|out: &mut Vec<u8>| row.json(Side::Old, column, out)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Record, Value};
    use super::*;

    /// Columns 1, 2, … with their old and new values; `"!"` cannot be rendered.
    struct Pair(&'static [(&'static str, &'static str)]);

    impl Pair {
        fn value(&self, side: Side, column: ColumnNumber) -> &'static [u8] {
            let (old, new) = self.0[column as usize - 1];
            match side {
                Side::Old => old.as_bytes(),
                Side::New => new.as_bytes(),
            }
        }
    }

    impl RowPair for Pair {
        fn differs(&self, column: ColumnNumber) -> bool {
            self.value(Side::Old, column) != self.value(Side::New, column)
        }

        fn json(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>) -> bool {
            out.extend_from_slice(self.value(side, column));
            self.value(side, column) != b"!"
        }

        fn text(&self, side: Side, column: ColumnNumber, out: &mut Vec<u8>) {
            out.extend_from_slice(self.value(side, column));
        }
    }

    const ROW: Pair = Pair(&[("1", "1"), ("2", "20"), ("3", "30"), ("4", "!")]);

    #[test]
    fn only_watched_columns_that_differ_have_changed() {
        assert_eq!(
            changed_columns(&ROW, 1..=4, &WatchedColumns::All),
            [2, 3, 4]
        );
        assert_eq!(
            changed_columns(&ROW, 1..=4, &WatchedColumns::Some(vec![1, 3])),
            [3]
        );
    }

    #[test]
    fn an_update_records_the_key_and_both_values() {
        let mut out = Vec::new();
        let mut writer = start(Operation::Update, &ROW, Side::New, &[1], &mut out);
        updated(&mut writer, &ROW, &[2, 4]);
        writer.end();
        let record = Record::decode(&out).unwrap();
        assert_eq!(
            (record.operation, record.key[0].text),
            (Operation::Update, &b"1"[..])
        );
        let values: Vec<_> = record
            .parts
            .iter()
            .map(|part| (part.column, part.new, part.old))
            .collect();
        assert_eq!(
            values,
            [
                (2, Value::Json(b"20"), Value::Json(b"2")),
                (4, Value::Unrenderable, Value::Json(b"4"))
            ]
        );
    }

    #[test]
    fn an_insert_records_new_values_only() {
        let mut out = Vec::new();
        let mut writer = start(Operation::Insert, &ROW, Side::New, &[1, 2], &mut out);
        inserted(&mut writer, &ROW, 2..=3);
        writer.end();
        let record = Record::decode(&out).unwrap();
        assert_eq!(
            record.key.iter().map(|key| key.text).collect::<Vec<_>>(),
            [b"1".as_slice(), b"20"]
        );
        let values: Vec<_> = record
            .parts
            .iter()
            .map(|part| (part.column, part.new, part.old))
            .collect();
        assert_eq!(
            values,
            [
                (2, Value::Json(b"20"), Value::Absent),
                (3, Value::Json(b"30"), Value::Absent)
            ]
        );
    }
}
