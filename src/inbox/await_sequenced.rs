//! `event.await_sequenced`: until the transactions that have been committed without a place in the feed have theirs.

use pgrx::datum::Interval;
use pgrx::prelude::*;

use crate::pg::waiting;
use crate::tables::{access, sequenced, sequencer, unsequenced};

#[pg_extern(sql = false)]
fn await_sequenced(timeout: Option<Interval>) -> bool {
    let deadline = access::deadline(timeout, "'10s'");
    let mut waiting = unsequenced::ids();
    let look = || {
        sequencer::start_if_needed();
        if let Some(sequenced) = sequenced::newest() {
            sequenced.retain_waiting(&mut waiting);
        }
        waiting.is_empty().then_some(())
    };
    waiting::until(sequencer::done(), &deadline, look).is_some()
}
