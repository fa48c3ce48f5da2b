//! From the outbox to the log and to the listeners, at the end of the transaction:
//! append the changes → take the commit lock → decide the position → queue the notifications.

mod append;
mod audience;
mod callbacks;
mod channels;
mod interned;
mod late;
mod notify;
mod position;
mod pre_commit;
mod rendering;
mod sequence;
mod sequencer;
mod spill;

pub use callbacks::init;
pub use sequencer::work as sequence;
