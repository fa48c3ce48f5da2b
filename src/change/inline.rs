//! The changes of a small transaction, which its own row holds, so that it writes one row and not two.
//!
//! Layout of version 1, little-endian: version, then for each change its command (`u32`), its arrival (`u64`),
//! the length of its record (`u32`) and the record.

use super::cursor::ChangeOrder;

const VERSION: u8 = 1;

/// A row of at most so many bytes of changes is stored without compression or TOAST.
pub const MOST_BYTES: usize = 1_600;

/// The changes, which are in their order; `None` if they are too long for this.
pub fn encode<'a>(changes: impl Iterator<Item = (ChangeOrder, &'a [u8])>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    for (order, record) in changes {
        if out.len() + 16 + record.len() > MOST_BYTES {
            return None;
        }
        out.extend_from_slice(&order.command.to_le_bytes());
        out.extend_from_slice(&order.arrival.to_le_bytes());
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(record);
    }
    Some(out)
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

    #[test]
    fn changes_read_back_in_order() {
        let changes: [(ChangeOrder, &[u8]); 2] = [
            (ChangeOrder::new(1, true, 3), b"one"),
            (ChangeOrder::new(1, false, 2), b""),
        ];
        let encoded = encode(changes.into_iter()).unwrap();
        assert_eq!(decode(&encoded), Some(changes.to_vec()));
    }

    #[test]
    fn what_is_too_long_is_not_encoded() {
        let order = ChangeOrder::new(1, false, 0);
        let longest = vec![0; MOST_BYTES - 17];
        assert_eq!(
            encode([(order, &longest[..])].into_iter()).unwrap().len(),
            MOST_BYTES
        );
        assert_eq!(
            encode([(order, &longest[..]), (order, &[][..])].into_iter()),
            None
        );
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = encode([(ChangeOrder::new(1, false, 0), &b"record"[..])].into_iter()).unwrap();
        for length in 2..good.len() {
            assert_eq!(decode(&good[..length]), None);
        }
        assert_eq!(decode(&[VERSION + 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
