//! The options that a session is created and altered with.

use std::ffi::CString;

use pgrx::datum::Interval;

use crate::change::operation::SessionId;
use crate::change::payload::Format;
use crate::error::{Error, raise};
use crate::tables::session::{Channel, Definition, Notify};

/// The longest channel that LISTEN takes, in bytes.
const LONGEST_CHANNEL: usize = 63;

/// Options that have been checked; `None` leaves what there is.
pub struct Options {
    name: Option<String>,
    notify: Option<Notify>,
    format: Option<Format>,
    /// The inner `None`: the session's own.
    channel: Option<Option<CString>>,
    /// The inner `None`: `reldiff.session_ttl`.
    ttl: Option<Option<Interval>>,
}

impl Options {
    /// Raises 22023 for a value that makes no sense.
    pub fn check(
        name: Option<String>,
        notify: Option<String>,
        format: Option<String>,
        channel: Option<String>,
        ttl: Option<Interval>,
    ) -> Self {
        Self {
            name,
            notify: word("notify", notify, "'payload'", Notify::parse),
            format: word("format", format, "'full'", Format::parse),
            channel: channel.map(self::channel),
            ttl: ttl.map(self::ttl),
        }
    }

    pub fn has_ttl(&self) -> bool {
        self.ttl.is_some()
    }

    /// Changes what is given.
    pub fn apply(self, definition: &mut Definition) {
        let session = &mut definition.session;
        session.notify = self.notify.unwrap_or(session.notify);
        session.format = self.format.unwrap_or(session.format);
        if let Some(channel) = self.channel {
            session.channel = channel.map_or_else(|| Channel::own(session.id), Channel::shared);
        }
        if let Some(ttl) = self.ttl {
            definition.ttl = ttl;
        }
        if let Some(name) = self.name {
            definition.name = Some(name.into_bytes());
        }
    }
}

/// An option that takes one of a few words.
fn word<T>(
    option: &'static str,
    value: Option<String>,
    allowed: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    value.map(|value| {
        parse(&value).unwrap_or_else(|| {
            raise(Error::BadOption {
                option,
                value,
                allowed,
            })
        })
    })
}

/// A channel that sessions share; an empty one is the session's own. A uuid is refused: it is some session's own channel,
/// or can become it, and whoever listens there does not expect events of others.
fn channel(channel: String) -> Option<CString> {
    if channel.is_empty() {
        return None;
    }
    if channel.len() > LONGEST_CHANNEL || SessionId::parse_str(&channel).is_ok() {
        raise(Error::BadOption {
            option: "channel",
            value: channel,
            allowed: "'my_application'",
        });
    }
    Some(CString::new(channel).expect("a text holds no NUL"))
}

/// How long the session is kept unused; 0 is `reldiff.session_ttl`.
fn ttl(ttl: Interval) -> Option<Interval> {
    if ttl.as_micros() < 0 {
        raise(Error::BadOption {
            option: "ttl",
            value: "less than nothing".into(),
            allowed: "interval '7 days'",
        });
    }
    (ttl.as_micros() > 0).then_some(ttl)
}
