//! One process of a database that says that it is there: by a lock, of which there is one, and in the shared memory, where it costs
//! next to nothing to see.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use pgrx::pg_sys::Oid;
use pgrx::{pg_guard, pg_sys};

use super::{lock, shared_memory};

thread_local! {
    /// The object that this process has.
    static OWN: Cell<Option<Oid>> = const { Cell::new(None) };
    static CLEANS_UP: Cell<bool> = const { Cell::new(false) };
}

/// Makes this process the one that has this object; false if another one has it.
pub fn begin(class: Oid) -> bool {
    if !lock::try_object_for_session(class, Oid::INVALID) {
        return false;
    }
    if !CLEANS_UP.replace(true) {
        // SAFETY: registered once per process; the function lives as long as the library, which is never unloaded.
        unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::null()) }
    }
    OWN.set(Some(class));
    if let Some(shared) = shared_memory::attach() {
        shared.header.present[shared_memory::database()].store(database(), Ordering::SeqCst);
    }
    true
}

/// This process is not it any more. Who has not seen that yet has recorded before what there is to do: so whoever ends looks
/// for that afterwards.
pub fn end() {
    if let Some(class) = leave() {
        lock::release_object(class, Oid::INVALID);
    }
}

/// Whether there is one.
pub fn is_there(class: Oid) -> bool {
    let is_seen = shared_memory::attach().is_some_and(|shared| {
        let present = &shared.header.present[shared_memory::database()];
        present.load(Ordering::SeqCst) == database()
    });
    // Another database may have the same place.
    is_seen || lock::is_object_locked_for_session(class, Oid::INVALID)
}

/// A process that is told to end gives its lock back by itself.
#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: std::ffi::c_int, _arg: pg_sys::Datum) {
    leave();
}

/// Makes no backend call.
fn leave() -> Option<Oid> {
    let own = OWN.take()?;
    if let Some(shared) = shared_memory::attached() {
        // First: whoever finds nobody here can start another one at once, though this one was started a moment ago.
        shared.header.started[shared_memory::database()].store(0, Ordering::SeqCst);
        let present = &shared.header.present[shared_memory::database()];
        // Unless it is another database's.
        let _ = present.compare_exchange(database(), 0, Ordering::SeqCst, Ordering::SeqCst);
    }
    Some(own)
}

fn database() -> u32 {
    // SAFETY: a variable of the backend.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}
