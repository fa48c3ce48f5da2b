//! A little of the server's shared memory, for the backends of all databases: had without `shared_preload_libraries`, from
//! the reserve that the server keeps for such guests, as contrib/pg_prewarm does it.
//!
//! 1. Layout: [`Header`], then a slot for each process that the server can have, by its number.
//! 2. Whoever needs it first makes it. It stays until the server stops: another layout needs another [`NAME`].
//! 3. The reserve is about 100 kB for all extensions together. Where nothing is left, everything has to work without.

use std::cell::Cell;
use std::ffi::CStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64};

use pgrx::{PgTryBuilder, pg_sys};

/// Ends with the version of the layout.
const NAME: &CStr = c"pg_reldiff 3";

/// `AddinShmemInitLock`, which the bindings leave out: its place among the server's own locks, in all versions.
const ADDIN_SHMEM_INIT_LOCK: usize = 21;

/// What is there once.
#[repr(C)]
#[derive(Default)]
pub struct Header {
    /// How many slots may be in use.
    pub in_use: AtomicU32,
    /// See [`super::in_flight`].
    pub begun: AtomicU32,
    pub on_their_way: [AtomicU32; DATABASES],
    /// The database, if a worker is there for all that comes; see [`super::presence`].
    pub present: [AtomicU32; DATABASES],
    /// When a worker was started last, and in which database; see [`super::worker`].
    pub started: [AtomicU64; DATABASES],
    /// The last place in the feed, of one database at a time.
    pub last_place: [[AtomicU64; 3]; DATABASES],
    /// See `tables::stretch`.
    pub led: [[AtomicU64; 32]; 32],
}

/// So many places there are for what is kept by database.
pub const DATABASES: usize = 16;

/// The place of this database. Others may have the same one by chance.
pub fn database() -> usize {
    // SAFETY: a variable of the backend.
    unsafe { pg_sys::MyDatabaseId }.to_u32() as usize % DATABASES
}

#[derive(Clone, Copy)]
pub struct SharedMemory {
    pub header: &'static Header,
    /// By the process's number; zero at first.
    pub slots: &'static [AtomicU32],
}

thread_local! {
    /// The outer `None` until somebody has asked.
    static ATTACHED: Cell<Option<Option<SharedMemory>>> = const { Cell::new(None) };
}

/// The shared memory, which is made if it is not there yet; `None` if there is no room for it. Never raises.
pub fn attach() -> Option<SharedMemory> {
    if ATTACHED.get().is_none() {
        ATTACHED.set(Some(make()));
    }
    attached()
}

/// The shared memory, if this backend is attached to it. Makes no backend call.
pub fn attached() -> Option<SharedMemory> {
    ATTACHED.get().flatten()
}

fn make() -> Option<SharedMemory> {
    // SAFETY: set before the first backend starts, and never changed.
    let slots = unsafe { (*pg_sys::ProcGlobal).allProcCount } as usize;
    let start = zeroed(NAME, size_of::<Header>() + slots * size_of::<AtomicU32>())?;
    // SAFETY: the memory is as long as that and aligned to a cache line, it stays as long as the process, and zero is a
    // value of all that is in it. Nobody uses it but by atomic operations.
    unsafe {
        Some(SharedMemory {
            header: &*start.cast::<Header>(),
            slots: std::slice::from_raw_parts(
                start.add(size_of::<Header>()).cast::<AtomicU32>(),
                slots,
            ),
        })
    }
}

/// A number by which what differs is as good as never the same (SipHash), nor is it what has not been written yet.
pub fn mark(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Shared memory with this name and length, of zeros if it is new; `None` if there is no room, or if another length has been
/// given before. It is called before a writer's commit, too: so the server's ERROR for want of room is not raised.
pub(crate) fn zeroed(name: &'static CStr, length: usize) -> Option<*mut u8> {
    // SAFETY: one of the server's own locks.
    let lock = unsafe { &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock };
    // SAFETY: the lock is held while the memory is looked for or made, and released once. An ERROR takes back that
    // interrupts are held off, which the release of the lock counts on. The function that raises it leaves no other trace.
    unsafe {
        let held_off = pg_sys::InterruptHoldoffCount;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let start = PgTryBuilder::new(move || {
            let mut found = false;
            let start = pg_sys::ShmemInitStruct(name.as_ptr(), length, &mut found).cast::<u8>();
            if !found {
                start.write_bytes(0, length);
            }
            Some(start)
        })
        .catch_others(move |_| {
            pg_sys::InterruptHoldoffCount = held_off + 1;
            None
        })
        .execute();
        pg_sys::LWLockRelease(lock);
        start
    }
}
