//! Until when to wait.

use std::time::{Duration, Instant};

use pgrx::datum::Interval;

/// The end of a wait that has begun now.
pub struct Deadline {
    /// `None` if the clock does not go so far.
    end: Option<Instant>,
}

impl Deadline {
    /// `None` for a negative interval. A month has 30 days.
    pub fn after(timeout: &Interval) -> Option<Self> {
        let microseconds = timeout.as_micros();
        if microseconds < 0 {
            return None;
        }
        let timeout = Duration::from_micros(microseconds.try_into().unwrap_or(u64::MAX));
        Some(Self {
            end: Instant::now().checked_add(timeout),
        })
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}
