//! A snapshot as the server tells it: which transactions it sees.

use std::fmt;

/// By the 64-bit ids of top-level transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// All before this one have ended.
    xmin: u64,
    running: Vec<u64>,
    xmax: u64,
}

impl Snapshot {
    /// Reads the text form of `pg_snapshot`: `10:20:10,14,15`. `None` for another text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let xmin = parts.next()?.parse().ok()?;
        let xmax = parts.next()?.parse().ok()?;
        let running = parts.next()?;
        let running: Result<Vec<u64>, _> = running
            .split(',')
            .filter(|xid| !xid.is_empty())
            .map(str::parse)
            .collect();
        Some(Self {
            xmin,
            running: running.ok()?,
            xmax,
        })
    }

    /// The same, but it does not see these transactions.
    pub fn without(mut self, xids: &[u64]) -> Self {
        let seen = xids.iter().filter(|&&xid| xid < self.xmax);
        self.running.extend(seen);
        self.running.sort_unstable();
        self.running.dedup();
        if let Some(&first) = self.running.first() {
            self.xmin = self.xmin.min(first);
        }
        self
    }

    /// Whether the transaction has ended for it.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmax && self.running.binary_search(&xid).is_err()
    }

    /// It sees none of these, and all others before [`Self::end`], ascending.
    pub fn running(&self) -> &[u64] {
        &self.running
    }

    /// It sees none from this one on.
    pub fn end(&self) -> u64 {
        self.xmax
    }
}

/// The text form of `pg_snapshot`.
impl fmt::Display for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}:{}:", self.xmin, self.xmax)?;
        for (place, xid) in self.running.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(out, "{comma}{xid}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_does_not_see_is_running_or_later() {
        for (text, running, end) in [
            ("10:15:10,13", &[10, 13][..], 15),
            ("10:10:", &[], 10),
            (
                "12884901888:12884901889:12884901888",
                &[12_884_901_888],
                12_884_901_889,
            ),
        ] {
            let snapshot = Snapshot::parse(text).unwrap();
            assert_eq!(
                (snapshot.running(), snapshot.end()),
                (running, end),
                "{text}"
            );
        }
    }

    #[test]
    fn it_sees_what_has_ended() {
        let snapshot = Snapshot::parse("10:15:10,13").unwrap();
        let seen = (8..18).filter(|&xid| snapshot.sees(xid));
        assert_eq!(seen.collect::<Vec<u64>>(), [8, 9, 11, 12, 14]);
    }

    #[test]
    fn it_can_be_told_not_to_see_some() {
        for (text, xids, expected) in [
            ("10:15:10,13", &[12][..], "10:15:10,12,13"),
            ("10:15:10,13", &[13], "10:15:10,13"),
            ("10:15:10,13", &[11, 8], "8:15:8,10,11,13"),
            ("10:15:", &[15], "10:15:"),
            ("10:15:", &[16, 14], "10:15:14"),
            ("10:15:", &[], "10:15:"),
        ] {
            let snapshot = Snapshot::parse(text).unwrap();
            assert_eq!(snapshot.to_string(), text);
            assert_eq!(
                snapshot.without(xids).to_string(),
                expected,
                "{text} {xids:?}"
            );
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "10", "10:15", "10:15:x", "a:15:", "10:15:10:11"] {
            assert_eq!(Snapshot::parse(text), None, "{text}");
        }
    }
}
