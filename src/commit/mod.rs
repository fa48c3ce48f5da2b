//! From the outbox to the log and to the listeners, at the end of the transaction:
//! append the changes → take the commit lock → decide the position → queue the notifications.

mod append;
mod audience;
mod callbacks;
mod channels;
mod interned;
mod notify;
mod position;
mod rendering;
mod spill;

pub use callbacks::init;
