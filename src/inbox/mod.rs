//! The inbox: reading a session's events, in any format, from any cursor, and acknowledging them.

mod acknowledge;
mod attach;
mod diff;
mod feed;
mod functions;
mod reader;
mod wait;

pub use attach::replay;
