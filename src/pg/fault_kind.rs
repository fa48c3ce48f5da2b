//! What goes wrong at a fault point; see [`super::fault`].

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_void};
use std::time::Duration;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::transaction::ActiveSnapshot;
use super::waiting;

/// The points, in the order of a change's life.
const POINTS: [&str; 15] = [
    // capture: a row trigger has fired; it is asked whom a change concerns; a value is rendered.
    "trigger",
    "match",
    "value",
    // commit: the changes go to the log or into the transaction's row; the commit lock; the place in the feed; each notification;
    // the last thing before the server's own work; the transaction is visible to all. Without the lock: the transaction is
    // recorded without a place; one of those gets its place.
    "append",
    "before_lock",
    "after_lock",
    "position",
    "notify",
    "pre_commit_end",
    "commit_callback",
    "unsequenced",
    "sequence",
    // inbox: the next transactions of a reader; an acknowledgement is stored; a part of the log is to be emptied.
    "page_read",
    "ack",
    "retention",
];

#[derive(Clone, Copy)]
pub enum Kind {
    /// An ERROR of the extension.
    Error,
    /// A panic of Rust.
    Panic,
    /// The server has no memory: an ERROR that jumps over C frames.
    Memory,
    /// Rust has no memory, at the next allocation, or so many later: `heap+20`.
    Heap(u32),
    /// The query is cancelled, the next time that interrupts are looked for.
    Cancel,
    /// The connection is ended, the next time that interrupts are looked for.
    Terminate,
    /// It waits until it is cancelled, or for a moment where that is impossible.
    Sleep,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        if let Some(later) = name.strip_prefix("heap+") {
            return later.parse().ok().map(Self::Heap);
        }
        Some(match name {
            "error" => Self::Error,
            "panic" => Self::Panic,
            "memory" => Self::Memory,
            "heap" => Self::Heap(0),
            "cancel" => Self::Cancel,
            "terminate" => Self::Terminate,
            "sleep" => Self::Sleep,
            _ => return None,
        })
    }

    fn happen(self, point: &str) {
        match self {
            Self::Error => error!("fault at {point}"),
            Self::Panic => panic!("fault at {point}"),
            // SAFETY: the server raises: no machine has so much.
            Self::Memory => unsafe {
                pg_sys::MemoryContextAllocHuge(pg_sys::CurrentMemoryContext, usize::MAX / 4);
            },
            Self::Heap(later) => ALLOCATIONS.set(Some(later)),
            // SAFETY: flags that the server's own signal handlers set.
            Self::Cancel => unsafe {
                pg_sys::QueryCancelPending = 1;
                pg_sys::InterruptPending = 1;
            },
            // SAFETY: as above.
            Self::Terminate => unsafe {
                pg_sys::ProcDiePending = 1;
                pg_sys::InterruptPending = 1;
            },
            Self::Sleep => loop {
                waiting::sleep(Duration::from_millis(100));
                // SAFETY: reads a variable of the backend.
                if unsafe { pg_sys::InterruptHoldoffCount } > 0 {
                    break;
                }
            },
        }
    }
}

/// What is to happen, and where.
struct Armed {
    point: &'static str,
    kind: Kind,
    /// How often the backend still comes there before it happens.
    before: u32,
}

impl Armed {
    fn parse(setting: &str) -> Option<Self> {
        let mut parts = setting.split(':');
        let point = parts.next()?;
        let armed = Self {
            point: POINTS.into_iter().find(|one| *one == point)?,
            kind: Kind::named(parts.next().unwrap_or("error"))?,
            before: parts
                .next()
                .unwrap_or("1")
                .parse::<u32>()
                .ok()?
                .checked_sub(1)?,
        };
        parts.next().is_none().then_some(armed)
    }
}

static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

thread_local! {
    static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
    /// How often this backend has come to each of the points, and how often something happened there. No memory is asked for
    /// here: what fails in the middle of that would end in the destructors of the process, which may not panic.
    static HITS: Cell<[(u64, u64); POINTS.len()]> = const { Cell::new([(0, 0); POINTS.len()]) };
    /// How many allocations still succeed before one fails.
    static ALLOCATIONS: Cell<Option<u32>> = const { Cell::new(None) };
}

static LATE_COMMAND: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// In milliseconds; 0 is as usual.
static TURN: GucSetting<i32> = GucSetting::<i32>::new(0);

/// How long a process works before it leaves the rest to a new one.
pub fn turn(usual: Duration) -> Duration {
    match TURN.get() {
        0 => usual,
        milliseconds => Duration::from_millis(milliseconds as u64),
    }
}

/// Defines the settings; called once per backend, before the extension registers its own callbacks.
pub fn init() {
    // SAFETY: called once per backend; the function lives as long as the library, which is never unloaded.
    unsafe { pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut()) };
    GucRegistry::define_string_guc(
        c"reldiff.late_command",
        c"What another callback does after the extension's pre-commit.",
        c"For tests: an SQL command.",
        &LATE_COMMAND,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"reldiff.turn",
        c"How long the sequencer works before a new one takes its place.",
        c"For tests; 0 is as usual.",
        &TURN,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    // SAFETY: the hooks are guarded.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
            c"reldiff.fault",
            c"What goes wrong, and where.",
            c"For tests: POINT, POINT:KIND or POINT:KIND:TIME.",
            &FAULT,
            GucContext::Suset,
            GucFlags::default(),
            Some(check),
            Some(assign),
            None,
        );
    }
}

/// Callbacks that were registered earlier run later.
#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(
    event: pg_sys::XactEvent::Type,
    _arg: *mut std::ffi::c_void,
) {
    // Nothing may be asked for at other events: a lack of memory there would be a PANIC.
    if event != pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT
        && event != pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE
    {
        return;
    }
    let command = LATE_COMMAND.get().unwrap_or_default();
    if !command.is_empty() {
        let _snapshot = ActiveSnapshot::push();
        Spi::run(&command.to_string_lossy()).expect("the test's command works");
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn check(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server's pointer to the new value, which is NUL-terminated.
    let value = unsafe { text(*value) };
    value.is_empty() || Armed::parse(&value).is_some()
}

#[pg_guard]
unsafe extern "C-unwind" fn assign(value: *const c_char, _extra: *mut c_void) {
    // SAFETY: as above.
    let value = unsafe { text(value) };
    ALLOCATIONS.set(None);
    ARMED.set(Armed::parse(&value));
}

/// # Safety
/// Null, or NUL-terminated.
unsafe fn text(value: *const c_char) -> String {
    if value.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(value) }
        .to_string_lossy()
        .into_owned()
}

/// Here something can go wrong.
pub fn point(name: &'static str) {
    let place = POINTS.iter().position(|point| *point == name);
    let place = place.unwrap_or_else(|| panic!("{name} is among the points"));
    let armed = ARMED.with_borrow_mut(|armed| match armed {
        Some(here) if here.point == name && here.before > 0 => {
            here.before -= 1;
            None
        }
        Some(here) if here.point == name => armed.take(),
        _ => None,
    });
    let mut hits = HITS.get();
    hits[place].0 += 1;
    hits[place].1 += u64::from(armed.is_some());
    HITS.set(hits);
    if let Some(armed) = armed {
        armed.kind.happen(name);
    }
}

/// Whether this allocation is to fail.
#[cfg(not(test))]
pub fn no_memory() -> bool {
    let left = ALLOCATIONS.get();
    if let Some(left) = left {
        ALLOCATIONS.set(left.checked_sub(1));
    }
    left == Some(0)
}

/// A line for each point: how often this backend has come there, and how often something happened.
#[pg_extern(sql = false)]
fn fault_hits() -> String {
    let lines = POINTS.iter().zip(HITS.get());
    let lines = lines.map(|(point, (come, happened))| format!("{point} {come} {happened}\n"));
    lines.collect()
}
