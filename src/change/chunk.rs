//! Several changes as one row holds them: a row of the log, or that of a small transaction, which then writes one row and
//! not two.
//!
//! Layout of version 1, little-endian: version, then for each change its command (`u32`), its arrival (`u64`),
//! the length of its record (`u32`) and the record.

use super::cursor::ChangeOrder;

const VERSION: u8 = 1;

/// The bytes of a change beside its record.
const HEADER: usize = 16;

/// Changes, in their order.
pub struct Chunk(Vec<u8>);

impl Chunk {
    /// Without changes yet, with room for a record of so many bytes.
    pub fn for_bytes(record: usize) -> Self {
        let mut bytes = Vec::with_capacity(1 + HEADER + record);
        bytes.push(VERSION);
        Self(bytes)
    }

    /// Whether it has at most `most` bytes with this record, too.
    pub fn has_room(&self, record: &[u8], most: usize) -> bool {
        self.0.len() + HEADER + record.len() <= most
    }

    pub fn push(&mut self, order: ChangeOrder, record: &[u8]) {
        self.0.extend_from_slice(&order.command.to_le_bytes());
        self.0.extend_from_slice(&order.arrival.to_le_bytes());
        self.0
            .extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.0.extend_from_slice(record);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The changes in their order; `None` if the bytes are not of a version that this library knows.
pub fn decode(encoded: &[u8]) -> Option<Vec<(ChangeOrder, &[u8])>> {
    let (&version, mut rest) = encoded.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (command, tail) = rest.split_first_chunk::<4>()?;
        let (arrival, tail) = tail.split_first_chunk::<8>()?;
        let (length, tail) = tail.split_first_chunk::<4>()?;
        let (record, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let order = ChangeOrder {
            command: u32::from_le_bytes(*command),
            arrival: u64::from_le_bytes(*arrival),
        };
        changes.push((order, record));
        rest = tail;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(changes: &[(ChangeOrder, &[u8])]) -> Chunk {
        let mut chunk = Chunk::for_bytes(0);
        for (order, record) in changes {
            chunk.push(*order, record);
        }
        chunk
    }

    #[test]
    fn changes_read_back_in_order() {
        let changes: [(ChangeOrder, &[u8]); 2] = [
            (ChangeOrder::new(1, true, 3), b"one"),
            (ChangeOrder::new(1, false, 2), b""),
        ];
        assert_eq!(decode(chunk(&changes).bytes()), Some(changes.to_vec()));
    }

    #[test]
    fn room_is_what_it_takes() {
        let order = ChangeOrder::new(1, false, 0);
        let one = chunk(&[(order, &[0; 10])]);
        let two = chunk(&[(order, &[0; 10]), (order, &[0; 5])]);
        assert!(one.has_room(&[0; 5], two.bytes().len()));
        assert!(!one.has_room(&[0; 6], two.bytes().len()));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = chunk(&[(ChangeOrder::new(1, false, 0), b"record")]).into_bytes();
        for length in 2..good.len() {
            assert_eq!(decode(&good[..length]), None);
        }
        assert_eq!(decode(&[VERSION + 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
