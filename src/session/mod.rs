//! Sessions and subscriptions: what SQL callers set up before anything is captured.

mod identifier;
mod key;
mod options;
mod sessions;
mod subscribe;
mod subscriptions;
mod tracking;
mod untrack;
mod verify;

pub use tracking::{cover, init};
