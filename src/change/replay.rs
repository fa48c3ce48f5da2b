//! The sessions that attached in the running transaction: when it commits, they are sent what is pending.
//! A rolled-back savepoint takes its attachments back, as it takes back the LISTEN that came with them.

use std::cell::RefCell;

use super::operation::SessionId;

/// A session that attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    pub session: SessionId,
    /// How many events it had pending then.
    pub pending: usize,
}

#[derive(Default)]
pub struct Replays(Vec<(i32, Replay)>);

impl Replays {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A session that attached at this subtransaction level.
    pub fn push(&mut self, level: i32, replay: Replay) {
        if self.iter().all(|other| other.session != replay.session) {
            self.0.push((level, replay));
        }
    }

    pub fn at_sub_abort(&mut self, level: i32) {
        self.0.retain(|(attached, _)| *attached < level);
    }

    pub fn at_sub_commit(&mut self, level: i32) {
        for (attached, _) in &mut self.0 {
            *attached = (*attached).min(level - 1);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Replay> {
        self.0.iter().map(|(_, replay)| *replay)
    }
}

thread_local! {
    static REPLAYS: RefCell<Replays> = const { RefCell::new(Replays(Vec::new())) };
}

/// The attachments of this backend's transaction.
pub fn with<T>(with: impl FnOnce(&mut Replays) -> T) -> T {
    REPLAYS.with_borrow_mut(with)
}

/// Takes them away, which leaves none.
pub fn take() -> Replays {
    REPLAYS.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolled_back_savepoint_takes_its_attachments_back() {
        let session = |id| Replay {
            session: SessionId::from_u128(id),
            pending: 0,
        };
        let mut replays = Replays::default();
        replays.push(1, session(1));
        replays.push(2, session(2));
        replays.push(3, session(3));
        replays.at_sub_commit(3);
        replays.at_sub_abort(3);
        assert_eq!(
            replays.iter().collect::<Vec<_>>(),
            [session(1), session(2), session(3)]
        );
        replays.at_sub_abort(2);
        assert_eq!(replays.iter().collect::<Vec<_>>(), [session(1)]);
    }

    #[test]
    fn a_session_is_replayed_once() {
        let mut replays = Replays::default();
        replays.push(
            1,
            Replay {
                session: SessionId::nil(),
                pending: 0,
            },
        );
        replays.push(
            2,
            Replay {
                session: SessionId::nil(),
                pending: 0,
            },
        );
        assert_eq!(replays.iter().count(), 1);
    }
}
