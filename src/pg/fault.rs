//! Fault points: places where tests make something go wrong.
//!
//! 1. Only a library that is built with the feature `fault_points` has them. Without it, they are no code at all, and
//!    there is no such setting.
//! 2. `SET reldiff.fault = 'POINT:KIND:TIME'`, for superusers: something of that [`Kind`](super::fault_kind::Kind)
//!    happens when this backend comes to the point for the so-manieth time from then on, and only then. Left out, the kind is `error`
//!    and the time the first one.
//! 3. `SET reldiff.late_command = '…'`, for superusers: a command that another callback runs at each commit, after the
//!    extension's own work there.
//! 4. `ALTER DATABASE … SET reldiff.turn = '1s'`: how long the sequencer works before a new one takes its place.
//! 5. `fault_hits()` says how often the backend has come to each point; a test declares it:
//!    `CREATE FUNCTION fault_hits() RETURNS text LANGUAGE c AS '$libdir/pg_reldiff', 'fault_hits_wrapper'`.

#[cfg(all(feature = "fault_points", not(test)))]
pub use super::fault_kind::no_memory;
#[cfg(feature = "fault_points")]
pub use super::fault_kind::{init, point, turn};

#[cfg(not(feature = "fault_points"))]
pub fn init() {}

/// How long a process works before it leaves the rest to a new one.
#[cfg(not(feature = "fault_points"))]
pub fn turn(usual: std::time::Duration) -> std::time::Duration {
    usual
}

/// Here something can go wrong.
#[cfg(not(feature = "fault_points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

/// Whether this allocation is to fail.
#[cfg(not(any(feature = "fault_points", test)))]
#[inline(always)]
pub fn no_memory() -> bool {
    false
}
