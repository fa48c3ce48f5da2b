//! The guards put things back, also after an error.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::super::common::{run, text};
    use crate::pg::pinned::{PinnedSettings, with_search_path};
    use crate::pg::{subtransaction, transaction};

    #[pg_test]
    fn p17_settings_are_restored_after_an_error() {
        run(
            "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = 'iso_8601';
             set bytea_output = 'escape'; set extra_float_digits = -3; set search_path = public",
        );
        let show = "select concat_ws('/', '2026-01-02 00:00+00'::timestamptz, interval '1 day', '\\x00'::bytea,
                    1/3::float8, current_setting('search_path'))";
        let before = text(show);
        let result = subtransaction::catch(|| {
            let _pinned = PinnedSettings::new();
            with_search_path(|| run("select 1/0"))
        });
        assert_eq!(result, None);
        assert_eq!(text(show), before);
    }

    #[pg_test]
    fn what_raised_in_a_subtransaction_leaves_nothing() {
        run("create table t (id int)");
        let result = subtransaction::catch(|| {
            run("insert into t values (1)");
            run("select 1/0");
        });
        assert_eq!(result, None);
        assert_eq!(
            subtransaction::catch(|| run("insert into t values (2)")),
            Some(())
        );
        assert_eq!(text("select string_agg(id::text, ',') from t"), "2");
    }

    #[pg_test(error = "canceling statement due to user request")]
    fn a_cancelled_query_is_not_swallowed() {
        subtransaction::catch(|| {
            run(
                "do $$ begin perform pg_cancel_backend(pg_backend_pid()); perform pg_sleep(10); end $$",
            );
        });
    }

    #[pg_test]
    fn times_are_utc_with_microseconds() {
        run("set timezone = 'Asia/Tokyo'");
        assert_eq!(&transaction::utc_text(0), b"2000-01-01T00:00:00.000000Z");
        assert_eq!(&transaction::utc_text(-1), b"1999-12-31T23:59:59.999999Z");
    }

    #[pg_test]
    fn this_transaction_is_still_running() {
        assert!(transaction::oldest_running_xid() <= transaction::top_xid());
    }
}
