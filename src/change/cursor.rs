//! The place of an event in the one order that every reader sees, and its text form.
//!
//! A cursor is epoch, position, ordinal and nonce in hexadecimal, all of fixed width, so that plain
//! byte order is feed order in every language. The position is the WAL insert position read under the
//! commit lock; the ordinal is the place of the change inside its transaction and of the field inside
//! its row; the nonce tells a position that a crash made the server issue twice.

use super::digits::hexadecimal;

/// The place of a change inside its transaction: by command, deletes first, then by arrival.
///
/// The order in which triggers fire is not it: a user's AFTER trigger that changes rows of the same
/// statement fires ours for its own, later changes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeOrder {
    pub command: u32,
    /// [`Self::NOT_A_DELETE`] is set unless the change is a delete; below it the arrival number.
    pub arrival: u64,
}

impl ChangeOrder {
    const NOT_A_DELETE: u64 = 1 << 39;
    const MAX: Self = Self {
        command: u32::MAX,
        arrival: (1 << 40) - 1,
    };

    pub fn new(command: u32, is_delete: bool, arrival: u64) -> Self {
        let rank = if is_delete { 0 } else { Self::NOT_A_DELETE };
        Self {
            command,
            arrival: rank | (arrival & (Self::NOT_A_DELETE - 1)),
        }
    }

    /// Whether nothing can come between the two.
    pub fn is_next_after(self, previous: Self) -> bool {
        self.command == previous.command && self.arrival == previous.arrival + 1
    }
}

/// A transaction's place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Counts restores and template copies: positions of different epochs are not comparable otherwise.
    pub epoch: u16,
    /// WAL insert position under the commit lock.
    pub lsn: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub position: Position,
    pub order: ChangeOrder,
    /// The attribute number of a `field_update`, 0 for a whole row.
    pub field: u16,
    pub nonce: u32,
}

/// The number of characters of every cursor.
pub const CURSOR_LENGTH: usize = 4 + 16 + 8 + 10 + 4 + 8;

impl Cursor {
    /// After everything of the transaction at `position`.
    pub fn end_of(position: Position, nonce: u32) -> Self {
        Self {
            position,
            order: ChangeOrder::MAX,
            field: u16::MAX,
            nonce,
        }
    }

    /// Before everything: the cursor of a feed in which nothing has happened yet.
    pub fn beginning(epoch: u16) -> Self {
        Self {
            position: Position { epoch, lsn: 0 },
            order: ChangeOrder {
                command: 0,
                arrival: 0,
            },
            field: 0,
            nonce: 0,
        }
    }

    pub fn is_beginning(&self) -> bool {
        *self == Self::beginning(self.position.epoch)
    }

    /// The place inside the transaction.
    pub fn ordinal(&self) -> (ChangeOrder, u16) {
        (self.order, self.field)
    }

    /// As [`ToString`] writes it.
    pub fn text(&self) -> [u8; CURSOR_LENGTH] {
        let mut text = [0; CURSOR_LENGTH];
        let mut rest = text.as_mut_slice();
        for (digits, number) in [
            (4, u64::from(self.position.epoch)),
            (16, self.position.lsn),
            (8, u64::from(self.order.command)),
            (10, self.order.arrival),
            (4, u64::from(self.field)),
            (8, u64::from(self.nonce)),
        ] {
            let (number_of, tail) = rest.split_at_mut(digits);
            hexadecimal(number_of, number);
            rest = tail;
        }
        text
    }

    /// `None` for everything that [`ToString`] would not have written.
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != CURSOR_LENGTH || !text.bytes().all(lower_hex) {
            return None;
        }
        let mut at = 0;
        let mut number = |digits: usize| {
            at += digits;
            u64::from_str_radix(&text[at - digits..at], 16).ok()
        };
        Some(Self {
            position: Position {
                epoch: number(4)? as u16,
                lsn: number(16)?,
            },
            order: ChangeOrder {
                command: number(8)? as u32,
                arrival: number(10)?,
            },
            field: number(4)? as u16,
            nonce: number(8)? as u32,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(lsn: u64, command: u32, is_delete: bool, arrival: u64, field: u16) -> Cursor {
        Cursor {
            position: Position { epoch: 1, lsn },
            order: ChangeOrder::new(command, is_delete, arrival),
            field,
            nonce: 0xdead_beef,
        }
    }

    #[test]
    fn text_order_is_feed_order() {
        let in_order = [
            Cursor::beginning(1),
            cursor(9, 4, false, 0, 0),
            cursor(10, 1, true, 2, 0),
            cursor(10, 1, false, 0, 1),
            cursor(10, 1, false, 0, 10),
            cursor(10, 1, false, 3, 0),
            cursor(10, 2, true, 1, 0),
            cursor(10, 10, false, 1, 0),
            Cursor::end_of(Position { epoch: 1, lsn: 10 }, 7),
            cursor(100, 0, false, 0, 0),
            Cursor::beginning(2),
        ];
        for pair in in_order.windows(2) {
            assert!(pair[0] < pair[1], "{:?}", pair);
            assert!(pair[0].to_string() < pair[1].to_string(), "{:?}", pair);
        }
    }

    #[test]
    fn deletes_of_a_command_come_before_its_other_changes() {
        assert!(ChangeOrder::new(3, true, 900) < ChangeOrder::new(3, false, 1));
        assert!(ChangeOrder::new(2, false, 1) < ChangeOrder::new(3, true, 0));
    }

    #[test]
    fn the_text_reads_back() {
        let cursor = cursor(u64::MAX, u32::MAX, false, (1 << 39) - 1, u16::MAX);
        assert_eq!(cursor.to_string().len(), CURSOR_LENGTH);
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
    }

    #[test]
    fn what_we_did_not_write_is_malformed() {
        let good = Cursor::beginning(1).to_string();
        assert!(Cursor::parse(&good).is_some());
        for bad in [
            "",
            "0",
            &good[1..],
            &format!("{good}0"),
            &good.replace('1', "A"),
            &good.replace('1', "+"),
            &good.replace('1', "é"),
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
