//! The trigger of a tracked table.

use std::time::{Duration, Instant};

use crate::error::{Error, raise};
use crate::gucs;
use crate::pg::relation::{self, Description};
use crate::pg::{command, lock};

/// The row trigger's name on every tracked table.
const ROW_TRIGGER: &std::ffi::CStr = c"reldiff_row";

/// Between two attempts to lock the table.
const PAUSE: Duration = Duration::from_millis(20);

/// Creates the relation's trigger if it has none. The lock that this needs would queue writers behind us, so
/// it is only taken when it is free: raises 55P03 if it was not for `reldiff.track_timeout`.
pub fn ensure(description: &Description) {
    if relation::has_trigger(description.oid, ROW_TRIGGER) {
        return;
    }
    let timeout = Duration::from_millis(gucs::TRACK_TIMEOUT.get() as u64);
    let begun = Instant::now();
    while !lock::try_relation_share_row_exclusive(description.oid) {
        if begun.elapsed() >= timeout {
            raise(Error::TrackTimeout {
                relation: description.display(),
            });
        }
        lock::sleep(PAUSE.as_millis() as i64);
    }
    // Another subscriber may have been faster.
    if relation::has_trigger(description.oid, ROW_TRIGGER) {
        return;
    }
    let (table, trigger) = (description.display(), ROW_TRIGGER.to_string_lossy());
    command::run_as(
        description.owner,
        &[
            format!(
                "CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION event.capture_row()"
            ),
            // Rows that replication applies are changes, too.
            format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"),
            // DROP EXTENSION takes the trigger along and leaves the table.
            format!("ALTER TRIGGER {trigger} ON {table} DEPENDS ON EXTENSION pg_reldiff"),
        ],
    );
}
