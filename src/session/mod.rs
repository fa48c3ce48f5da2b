//! Sessions and subscriptions: what SQL callers set up before anything is captured.

mod background;
mod followers;
mod identifier;
mod key;
mod options;
mod ready;
mod sessions;
mod subscribe;
mod subscriptions;
mod tracking;
mod triggers;
mod untrack;
mod verify;

pub use background::work;
pub use sessions::remove_expired;
pub use tracking::{cover, init};
