//! The inbox: reading a session's events, in any format, from any cursor, and acknowledging them.

mod acknowledge;
mod attach;
mod await_sequenced;
mod change;
mod diff;
mod events_of;
mod feed;
mod functions;
mod maintenance;
mod permissions;
mod quota;
mod reader;
mod relations;
mod retention;
mod shares;
mod wait;

pub use attach::replay;
pub use maintenance::maintain;
