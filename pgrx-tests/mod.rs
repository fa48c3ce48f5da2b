//! White-box tests that need a backend. Each runs in a transaction that is rolled back, so nothing here
//! commits or notifies: that is for the black-box tests under `tests/`.

mod captured;
mod common;
mod guards;
mod stored;
mod values;
mod waiting;
