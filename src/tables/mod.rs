//! The extension's own tables: a file for each concept, with the column numbers of `sql/tables.sql`.
//!
//! Capture, commit, inbox and session all come here, so that a table is read and written in one place.

pub mod access;
pub mod addressee;
pub mod commit_lock;
pub mod contents;
pub mod epoch;
pub mod feed;
pub mod inbox_size;
pub mod invalidation;
pub mod last_place;
pub mod log;
pub mod lost_event;
pub mod maintenance;
pub mod merge;
pub mod own_segment;
pub mod permission_loss;
pub mod recipient_set;
pub mod registry;
pub mod segment;
pub mod segment_tables;
pub mod sequenced;
pub mod sequencer;
pub mod session;
pub mod session_expiry;
pub mod set_transaction;
pub mod skipped;
pub mod stretch;
pub mod subscribers;
pub mod subscription;
pub mod tracked;
pub mod transaction;
pub mod unrecorded;
pub mod unsequenced;
pub mod wakeups;
pub mod watch;
