//! Waiting until somebody's transaction wakes us, without asking again and again.
//!
//! 1. Who waits for a topic, a number that is not 0, puts it into the own slot of the shared memory, and only then looks
//!    whether there is something already.
//! 2. Who has committed something of a topic takes it out of each slot in which it stands, and sets that process's latch.
//! 3. Between each one's two steps is a fence: so either the one finds what the other has committed, or the other
//!    finds the slot. Nobody sleeps through a commit.
//! 4. Topics are hashes. Two things with the same one, and a latch that is set for another reason, cost a look that
//!    finds nothing.
//! 5. A slot is emptied when its process stops to wait, for whatever reason.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

use pgrx::{pg_guard, pg_sys};

use super::deadline::Deadline;
use super::shared_memory::{self, SharedMemory};
use super::transaction::is_standby;
use super::{compat, ffi};

/// Where nobody wakes us: on a standby, and without a place in the shared memory.
const STANDBY_PAUSE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(100);

/// So long does one piece of a wait last at most: the caller waits again.
const LONGEST: Duration = Duration::from_secs(10);

thread_local! {
    static WAITS: Cell<bool> = const { Cell::new(false) };
    static CLEANS_UP: Cell<bool> = const { Cell::new(false) };
    /// What the server's views call such a wait.
    static EVENT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Begins to hear of a topic; ends when it is dropped. One at a time.
pub struct Waiting {
    shared: SharedMemory,
    topic: u32,
}

impl Waiting {
    /// `None` if there is no room in the shared memory: then nobody wakes us. Called in a transaction.
    pub fn begin(topic: u32) -> Option<Self> {
        let shared = shared_memory::attach()?;
        if !CLEANS_UP.replace(true) {
            // SAFETY: registered once per backend; the function lives as long as the library, which is never unloaded.
            unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::null()) }
        }
        if EVENT.get().is_none() {
            EVENT.set(Some(compat::wait_event(c"ReldiffWaitEvents")));
        }
        assert!(!WAITS.replace(true), "one wait at a time");
        shared.header.in_use.fetch_add(1, Ordering::SeqCst);
        Some(Self { shared, topic })
    }

    /// What is committed from now on wakes us. What has been committed before, a snapshot taken now sees.
    pub fn arm(&self) {
        own_slot(self.shared).store(self.topic, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Whether somebody has woken us since we last armed.
    pub fn is_woken(&self) -> bool {
        own_slot(self.shared).load(Ordering::SeqCst) != self.topic
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        end(self.shared);
    }
}

/// Makes no backend call: an ERROR ends a wait, too, and so does the end of the process.
fn end(shared: SharedMemory) {
    if WAITS.replace(false) {
        own_slot(shared).store(0, Ordering::SeqCst);
        shared.header.in_use.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A process that is told to end while it waits drops nothing.
#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: std::ffi::c_int, _arg: pg_sys::Datum) {
    if let Some(shared) = shared_memory::attached() {
        end(shared);
    }
}

fn own_slot(shared: SharedMemory) -> &'static AtomicU32 {
    // SAFETY: both pointers are into the array of all processes, which stays.
    let number = unsafe { pg_sys::MyProc.offset_from((*pg_sys::ProcGlobal).allProcs) };
    &shared.slots[number as usize]
}

/// Wakes all who wait for one of these topics. Called when the transaction is visible and can no longer fail: neither
/// raises nor asks the server for memory. Whoever calls it has attached to the shared memory before.
pub fn wake(is_topic: impl Fn(u32) -> bool) {
    let Some(shared) = shared_memory::attached() else {
        return;
    };
    fence(Ordering::SeqCst);
    if shared.header.in_use.load(Ordering::SeqCst) == 0 {
        return;
    }
    for (number, slot) in shared.slots.iter().enumerate() {
        let topic = slot.load(Ordering::SeqCst);
        let is_ours = topic != 0 && is_topic(topic);
        // Whoever comes next need not set the latch again.
        if is_ours
            && slot
                .compare_exchange(topic, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        {
            // SAFETY: there is a process structure for each slot. A latch that has just changed its owner, or has none
            // any more, is set for nothing.
            unsafe {
                let process = (*pg_sys::ProcGlobal).allProcs.add(number);
                pg_sys::SetLatch(&raw mut (*process).procLatch);
            }
        }
    }
}

/// Sleeps until the latch is set or the time is over. Raises if the query is cancelled, and ends the backend if its client
/// has gone, which is looked for every [`LONGEST`]. The latch is set for other reasons, too: the caller looks whether it was
/// woken, before each sleep, since whoever waits for a lock takes the latch back.
pub fn sleep(most: Duration) {
    let event = EVENT.get().unwrap_or(pg_sys::PG_WAIT_EXTENSION);
    // Rounded up, so that the rest of a millisecond is not waited for again and again.
    let milliseconds = most.min(LONGEST).as_micros().div_ceil(1000);
    // SAFETY: the latch is the backend's own, and so are the flags, which are set as the server sets them; a backend that
    // has a port has a client.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            (pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH) as i32,
            milliseconds as _,
            event,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
        if !pg_sys::MyProcPort.is_null() && !ffi::check_connection() {
            pg_sys::ClientConnectionLost = 1;
            pg_sys::InterruptPending = 1;
        }
    }
    pgrx::check_for_interrupts!();
}

/// Looks once, and then whenever somebody has woken the topic, until something is found or the time is over. Called in a
/// transaction.
pub fn until<T>(topic: u32, deadline: &Deadline, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let waiting = Waiting::begin(topic);
    loop {
        if let Some(waiting) = &waiting {
            waiting.arm();
        }
        if let Some(found) = look() {
            return Some(found);
        }
        loop {
            let left = deadline.left();
            if left.is_zero() {
                return None;
            }
            if is_standby() {
                sleep(left.min(STANDBY_PAUSE));
                break;
            }
            let Some(waiting) = &waiting else {
                sleep(left.min(PAUSE));
                break;
            };
            if waiting.is_woken() {
                break;
            }
            sleep(left);
        }
    }
}
