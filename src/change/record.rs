//! The stored form of one changed row: what the log keeps and what events are made from, whether they
//! are sent at commit or read years later. Column by column, with finished JSON for each value, so that
//! formats, column masks and projections stay a reader's choice.
//!
//! Layout of version 1, little-endian: version, operation, `u16` number of key columns, those columns
//! (`i16` number, JSON, text), `u16` number of parts, the parts (`i16` number, new value, old value), and for
//! an event of the relation as a whole the rest: the name of one that is gone. Byte strings have a `u32` length; a key whose text is its JSON stores `u32::MAX` in its place.

use super::operation::{ColumnNumber, Control, Operation};

const VERSION: u8 = 1;
const SAME_AS_JSON: u32 = u32::MAX;

/// The tags of a value.
const ABSENT: u8 = 0;
const JSON: u8 = 1;
const UNRENDERABLE: u8 = 2;

/// A value of a row image as it goes into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Not recorded.
    Absent,
    Json(&'a [u8]),
    /// The type's output function raised; events name the column instead.
    Unrenderable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyColumn<'a> {
    pub column: ColumnNumber,
    pub json: &'a [u8],
    /// The canonical text form: the type's output under the pinned settings.
    pub text: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub column: ColumnNumber,
    pub new: Value<'a>,
    pub old: Value<'a>,
}

/// A decoded record; it borrows the bytes it was decoded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub operation: Operation,
    /// In the order of the primary key.
    pub key: Vec<KeyColumn<'a>>,
    /// Ascending by column: the whole row of an insert, the changed columns of an update.
    pub parts: Vec<Part<'a>>,
    /// The qualified name of a relation that the catalog does not know any more; empty otherwise.
    pub name: &'a [u8],
}

/// Appends a record of what happened to a relation as a whole, which has no columns. `name`: the qualified
/// name of one that is gone.
pub fn control(control: Control, name: &[u8], out: &mut Vec<u8>) {
    RecordWriter::new(Operation::Control(control), 0, out).end();
    out.extend_from_slice(name);
}

/// Appends a record to a buffer, piece by piece, in the order of the layout.
pub struct RecordWriter<'a> {
    out: &'a mut Vec<u8>,
    part_count: Option<usize>,
}

impl<'a> RecordWriter<'a> {
    pub fn new(operation: Operation, key_columns: usize, out: &'a mut Vec<u8>) -> Self {
        out.push(VERSION);
        out.push(operation.byte());
        out.extend_from_slice(&(key_columns as u16).to_le_bytes());
        Self {
            out,
            part_count: None,
        }
    }

    /// `json` and `text` append their form of the value to the buffer that they are given.
    pub fn key(
        &mut self,
        column: ColumnNumber,
        json: impl FnOnce(&mut Vec<u8>),
        text: impl FnOnce(&mut Vec<u8>),
    ) {
        debug_assert!(self.part_count.is_none(), "the key stands before the parts");
        self.out.extend_from_slice(&column.to_le_bytes());
        let json = bytes(self.out, json);
        let at = self.out.len();
        let text = bytes(self.out, text);
        if self.out[json] == self.out[text] {
            self.out.truncate(at);
            self.out.extend_from_slice(&SAME_AS_JSON.to_le_bytes());
        }
    }

    /// `new` and `old` append the value's JSON and return true, or return false if it has none; `old` is
    /// `None` where the old value is not recorded.
    pub fn part(
        &mut self,
        column: ColumnNumber,
        new: impl FnOnce(&mut Vec<u8>) -> bool,
        old: Option<impl FnOnce(&mut Vec<u8>) -> bool>,
    ) {
        let at = self.part_count_at();
        let count = u16::from_le_bytes([self.out[at], self.out[at + 1]]) + 1;
        self.out[at..at + 2].copy_from_slice(&count.to_le_bytes());
        self.out.extend_from_slice(&column.to_le_bytes());
        value(self.out, new);
        match old {
            Some(old) => value(self.out, old),
            None => self.out.push(ABSENT),
        }
    }

    pub fn end(mut self) {
        self.part_count_at();
    }

    fn part_count_at(&mut self) -> usize {
        *self.part_count.get_or_insert_with(|| {
            self.out.extend_from_slice(&0u16.to_le_bytes());
            self.out.len() - 2
        })
    }
}

/// Appends a length and what `write` appends; returns where the latter stands.
fn bytes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> std::ops::Range<usize> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let start = at + 4;
    let length = (out.len() - start) as u32;
    out[at..start].copy_from_slice(&length.to_le_bytes());
    start..out.len()
}

fn value(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
    let at = out.len();
    out.push(JSON);
    let mut rendered = false;
    bytes(out, |out| rendered = write(out));
    if !rendered {
        out.truncate(at);
        out.push(UNRENDERABLE);
    }
}

impl<'a> Record<'a> {
    /// How many events it is at most for one session.
    pub fn most_events(&self) -> usize {
        match self.operation {
            Operation::Update => self.parts.len(),
            Operation::Insert | Operation::Delete | Operation::Control(_) => 1,
        }
    }

    /// The bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        let value = |value: Value| match value {
            Value::Json(json) => json.len(),
            Value::Absent | Value::Unrenderable => 0,
        };
        let key = self.key.iter().map(|key| key.json.len());
        let parts = self.parts.iter();
        key.sum::<usize>()
            + parts
                .map(|part| value(part.new) + value(part.old))
                .sum::<usize>()
    }

    /// `None` if the bytes are not a record of a version that this library knows.
    pub fn decode(encoded: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(encoded);
        if reader.u8()? != VERSION {
            return None;
        }
        let operation = Operation::from_byte(reader.u8()?)?;
        let key = (0..reader.u16()?)
            .map(|_| reader.key_column())
            .collect::<Option<_>>()?;
        let parts = (0..reader.u16()?)
            .map(|_| reader.part())
            .collect::<Option<_>>()?;
        let is_whole = reader.0.is_empty() || matches!(operation, Operation::Control(_));
        is_whole.then_some(Self {
            operation,
            key,
            parts,
            name: reader.0,
        })
    }
}

/// The bytes of the key in an encoded record: the same for the same key of one relation.
pub fn encoded_key(encoded: &[u8]) -> &[u8] {
    let from_key = encoded.get(2..).unwrap_or_default();
    let mut reader = Reader(from_key);
    for _ in 0..reader.u16().unwrap_or(0) {
        reader.key_column();
    }
    &from_key[..from_key.len() - reader.0.len()]
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.u8()? {
            ABSENT => Some(Value::Absent),
            JSON => Some(Value::Json(self.bytes()?)),
            UNRENDERABLE => Some(Value::Unrenderable),
            _ => None,
        }
    }

    fn key_column(&mut self) -> Option<KeyColumn<'a>> {
        let column = self.u16()? as ColumnNumber;
        let json = self.bytes()?;
        let text = match self.u32()? {
            SAME_AS_JSON => json,
            length => self.take(length as usize)?,
        };
        Some(KeyColumn { column, json, text })
    }

    fn part(&mut self) -> Option<Part<'a>> {
        Some(Part {
            column: self.u16()? as ColumnNumber,
            new: self.value()?,
            old: self.value()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(json: &'static str) -> impl FnOnce(&mut Vec<u8>) -> bool {
        move |out| {
            out.extend_from_slice(json.as_bytes());
            true
        }
    }

    fn text(text: &'static str) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend_from_slice(text.as_bytes())
    }

    fn fails(out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"half a value");
        false
    }

    fn encoded() -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RecordWriter::new(Operation::Update, 2, &mut out);
        writer.key(3, text("7"), text("7"));
        writer.key(1, text("\"a b\""), text("a b"));
        writer.part(2, json("19"), Some(json("16")));
        writer.part(5, fails, None::<fn(&mut Vec<u8>) -> bool>);
        writer.end();
        out
    }

    #[test]
    fn a_record_reads_back() {
        let expected = Record {
            operation: Operation::Update,
            key: vec![
                KeyColumn {
                    column: 3,
                    json: b"7",
                    text: b"7",
                },
                KeyColumn {
                    column: 1,
                    json: b"\"a b\"",
                    text: b"a b",
                },
            ],
            parts: vec![
                Part {
                    column: 2,
                    new: Value::Json(b"19"),
                    old: Value::Json(b"16"),
                },
                Part {
                    column: 5,
                    new: Value::Unrenderable,
                    old: Value::Absent,
                },
            ],
            name: b"",
        };
        assert_eq!(Record::decode(&encoded()), Some(expected));
    }

    #[test]
    fn its_size_is_that_of_its_keys_and_values() {
        let update = encoded();
        let update = Record::decode(&update).unwrap();
        assert_eq!((update.most_events(), update.bytes()), (2, 1 + 5 + 2 + 2));
        let delete = Record {
            operation: Operation::Delete,
            parts: Vec::new(),
            ..update
        };
        assert_eq!((delete.most_events(), delete.bytes()), (1, 1 + 5));
    }

    #[test]
    fn a_record_without_parts_reads_back() {
        let mut out = Vec::new();
        let mut writer = RecordWriter::new(Operation::Delete, 1, &mut out);
        writer.key(1, text("4"), text("4"));
        writer.end();
        let record = Record::decode(&out).unwrap();
        assert_eq!(
            (record.operation, record.key.len(), record.parts.len()),
            (Operation::Delete, 1, 0)
        );
    }

    #[test]
    fn what_happened_to_a_relation_reads_back() {
        let mut out = Vec::new();
        control(Control::Gone, b"public.person", &mut out);
        let record = Record::decode(&out).unwrap();
        assert_eq!(record.operation, Operation::Control(Control::Gone));
        assert_eq!(record.name, b"public.person");
        assert!(record.key.is_empty() && record.parts.is_empty());
    }

    #[test]
    fn the_key_of_a_record_does_not_depend_on_the_rest_of_it() {
        let mut other = Vec::new();
        let mut writer = RecordWriter::new(Operation::Delete, 2, &mut other);
        writer.key(3, text("7"), text("7"));
        writer.key(1, text("\"a b\""), text("a b"));
        writer.end();
        assert_eq!(encoded_key(&encoded()), encoded_key(&other));
        assert_eq!(encoded_key(b""), b"");
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_panic() {
        let good = encoded();
        for length in 0..good.len() {
            assert_eq!(Record::decode(&good[..length]), None);
        }
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(Record::decode(&longer), None);
        let mut newer = good;
        newer[0] = VERSION + 1;
        assert_eq!(Record::decode(&newer), None);
    }
}
