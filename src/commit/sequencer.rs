//! The background process that sequences when no writer comes.

use std::time::{Duration, Instant};

use super::sequence;
use crate::gucs;
use crate::pg::waiting::{self, Waiting};
use crate::pg::{fault, setting, worker};
use crate::tables::{commit_lock, registry, sequencer, unsequenced};

/// It ends when there has been nothing to do for so long: DROP DATABASE and CREATE DATABASE wait for 5 seconds until all
/// connections are gone.
const IDLE: Duration = Duration::from_secs(2);

/// So often it looks where nobody can wake it.
const PAUSE: Duration = Duration::from_millis(100);

/// So long it works before it leaves the rest to a new one, which has the settings of then.
const TURN: Duration = Duration::from_secs(60);

/// What the process does.
pub fn work() {
    loop {
        let end_of_turn = Instant::now() + fault::turn(TURN);
        while Instant::now() < end_of_turn
            && worker::transaction(|| registry::exists() && sequencer::begin())
        {
            let is_idle = until_idle(end_of_turn);
            if !worker::transaction(end) && is_idle {
                return;
            }
        }
        // Another one has begun, or does so now. Without a free process this one goes on: who waits for one could take its place.
        if Instant::now() < end_of_turn
            || worker::transaction(|| !registry::exists() || sequencer::start_next())
        {
            return;
        }
    }
}

/// This process is not the sequencer any more. Whether something has come after it had stopped to look: who has found that it is
/// there has not started another one.
fn end() -> bool {
    if !registry::exists() {
        return false;
    }
    sequencer::end();
    unsequenced::may_come()
}

/// Sequences until there has been nothing to do for [`IDLE`], or until the deadline. Whether it is the first, or there was nothing
/// at all.
fn until_idle(deadline: Instant) -> bool {
    let waiting = worker::transaction(|| Waiting::begin(sequencer::topic()));
    let begin = Instant::now();
    let mut last = begin;
    while last.elapsed() < IDLE && Instant::now() < deadline {
        if let Some(waiting) = &waiting {
            waiting.arm();
        }
        let mut pause = if waiting.is_some() { IDLE } else { PAUSE };
        match worker::transaction(step) {
            Step::Gone => return true,
            Step::Done { is_all } => {
                last = Instant::now();
                if is_all {
                    nap();
                }
                // Maybe a prepared one is coming.
                continue;
            }
            Step::Coming => {
                // Nobody wakes us when it is a prepared one.
                last = Instant::now();
                pause = PAUSE;
            }
            Step::Nothing => {}
        }
        if !waiting.as_ref().is_some_and(Waiting::is_woken) {
            waiting::sleep(pause.min(IDLE.saturating_sub(last.elapsed())));
        }
    }
    last == begin || last.elapsed() >= IDLE
}

/// Whoever wakes us meanwhile is looked for afterwards.
fn nap() {
    let end = Instant::now() + gucs::sequencer_nap();
    while Instant::now() < end {
        waiting::sleep(end.saturating_duration_since(Instant::now()));
    }
}

enum Step {
    /// Some have got their places, or all that were waiting.
    Done { is_all: bool },
    /// None was waiting, but one will be.
    Coming,
    /// None was waiting.
    Nothing,
    /// The extension is not there any more.
    Gone,
}

fn step() -> Step {
    if !registry::exists() {
        return Step::Gone;
    }
    if !unsequenced::is_waiting() {
        return if unsequenced::may_come() {
            Step::Coming
        } else {
            Step::Nothing
        };
    }
    // What is announced is durable.
    setting::set_local(c"synchronous_commit", c"on");
    commit_lock::take();
    let are_more = sequence::at_most(gucs::SEQUENCER_BATCH.get() as usize);
    Step::Done { is_all: !are_more }
}
