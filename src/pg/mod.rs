//! Safe fronts of the backend: what the rest of the extension may call without knowing how the server
//! does it. Nothing here knows of sessions, subscriptions or events.

// The pure tests have no server that could be told.
#[cfg(not(test))]
mod allocator;
pub mod argument;
pub mod bytes;
pub mod catalog;
pub mod command;
pub mod compat;
pub mod deadline;
pub mod dropped;
pub mod event_trigger;
pub mod fault;
#[cfg(feature = "fault_points")]
mod fault_kind;
pub mod ffi;
pub mod function;
pub mod in_flight;
mod index;
pub mod inheritance;
pub mod insert;
pub mod invalidation;
pub mod lock;
pub mod memory;
pub mod name;
pub mod notify;
pub mod output;
pub mod pinned;
pub mod presence;
pub mod query;
pub mod raw;
pub mod relation;
pub mod report;
pub mod result;
pub mod role;
pub mod row;
pub mod scan_key;
pub mod setting;
pub mod shared_memory;
pub mod snapshot;
pub mod subtransaction;
pub mod table;
pub mod transaction;
pub mod trigger;
pub mod tuple;
pub mod waiting;
pub mod worker;
pub mod writers;
