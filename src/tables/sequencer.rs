//! The sequencer: a background process that gives their places to transactions that have been committed without one, when no
//! writer comes who would. One in a database at a time.

use super::registry::registry;
use super::{unsequenced, wakeups};
use crate::pg::transaction::is_standby;
use crate::pg::{presence, worker};

/// The text with which the process is started.
pub const JOB: &str = "sequence";

/// What its wait is called among the backends of all databases.
pub fn topic() -> u32 {
    wakeups::topic_of(b"sequencer")
}

/// What a wait for what it does is called.
pub fn done() -> u32 {
    wakeups::topic_of(b"sequenced")
}

/// The running transaction will have something to sequence, when it has been committed.
pub fn need() {
    wakeups::add_topic(topic());
    start();
}

/// Starts the process, if there is none. Without a free one, which it says, the next writer or reader does.
pub fn start() -> bool {
    presence::is_there(registry().sequenced) || worker::start_soon(JOB).is_ok()
}

/// As [`start`], for the process itself, when it is not the sequencer any more: what another one has tried a moment ago may have come
/// to nothing, since this one has still been there.
pub fn start_next() -> bool {
    presence::is_there(registry().sequenced) || worker::start(JOB).is_ok()
}

/// Starts the process, if transactions are waiting for their place; for a reader, who never gives them one: it would keep the commit
/// lock to the end of its transaction.
pub fn start_if_needed() {
    if !is_standby() && unsequenced::may_wait() && unsequenced::is_waiting() {
        start();
    }
}

/// Makes this process the only one; false if there is one.
pub fn begin() -> bool {
    presence::begin(registry().sequenced)
}

/// This process is not it any more.
pub fn end() {
    presence::end();
}
