//! From triggers to the outbox.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use super::super::common::{outbox, run, watch_t};

    #[pg_test]
    fn p03_only_images_that_differ_are_told() {
        run("create table t (id int primary key, n numeric, j json, x text)");
        run("insert into t values (1, 1.0, '{\"a\": 1}', null)");
        watch_t();
        run("update t set n = 1.0, j = '{\"a\": 1}', x = null");
        assert_eq!(outbox(), [] as [&str; 0]);
        run("update t set n = 1.00");
        run("update t set j = '{\"a\":1}'");
        run("update t set x = ''");
        assert_eq!(
            outbox(),
            ["update 1 2=1.00", "update 1 3={\"a\":1}", "update 1 4=\"\""]
        );
    }

    #[pg_test]
    fn p01_what_is_rolled_back_leaves_the_outbox() {
        run("create table t (id int primary key)");
        watch_t();
        run("do $$ begin
                insert into t values (1);
                begin
                    insert into t values (2);
                    begin
                        insert into t values (3);
                    exception when others then null; end;
                    raise exception 'undo';
                exception when others then null; end;
                insert into t values (4);
            end $$");
        assert_eq!(outbox(), ["insert 1 1=1", "insert 4 1=4"]);
    }

    #[pg_test]
    fn p07_a_users_trigger_is_told_after_the_row_that_fired_it() {
        run("create table t (id int primary key, n int)");
        run("insert into t values (1, 0), (2, 0)");
        run(
            "create function touch() returns trigger language plpgsql as $$ begin
                update t set n = n + 10 where id = 2 and old.id = 1;
                return null;
            end $$",
        );
        // Its name sorts before ours, so that it runs first and its own update fires our trigger first.
        run("create trigger a_touch after update on t for each row execute function touch()");
        watch_t();
        run("update t set n = n + 1 where id = 1");
        assert_eq!(outbox(), ["update 1 2=1", "update 2 2=10"]);
    }

    #[pg_test]
    fn p07_shifted_keys_are_deleted_before_they_are_inserted() {
        run("create table t (id int primary key deferrable initially deferred)");
        run("insert into t values (1), (2)");
        watch_t();
        run("update t set id = id + 1");
        assert_eq!(
            outbox(),
            ["delete 1", "delete 2", "insert 2 1=2", "insert 3 1=3"]
        );
    }

    #[pg_test]
    fn a_row_subscription_is_found_by_every_spelling_of_its_key() {
        run("create table t (id numeric(6,2) primary key, n int)");
        run("insert into t values (3, 0), (4, 0)");
        run("select event.session_create(attach => false)");
        run("select event.subscribe_row('t', '03')");
        run("update t set n = 1");
        assert_eq!(outbox(), ["update 3.00 2=1"]);
        assert_eq!(
            Spi::get_one::<i64>("select count(*) from event.subscription"),
            Ok(Some(1))
        );
        run("select event.subscribe_row('t', 3), event.subscribe_row('t', '{\"id\": 3.0}'::jsonb)");
        assert_eq!(
            Spi::get_one::<i64>("select count(*) from event.subscription"),
            Ok(Some(1))
        );
    }

    #[pg_test]
    fn a_rolled_back_subscription_watches_nothing() {
        run("create table t (id int primary key)");
        run("select event.session_create(attach => false)");
        run("do $$ begin
                perform event.subscribe_table('t');
                insert into t values (1);
                raise exception 'undo';
            exception when others then null; end $$");
        run("select event.track('t')");
        run("insert into t values (2)");
        assert_eq!(outbox(), [] as [&str; 0]);
        run("select event.subscribe_table('t')");
        run("insert into t values (3)");
        assert_eq!(outbox(), ["insert 3 1=3"]);
    }

    #[pg_test]
    fn an_unsubscribed_table_is_not_watched_any_more() {
        run("create table t (id int primary key)");
        watch_t();
        run("insert into t values (1)");
        run("select event.unsubscribe_all()");
        run("insert into t values (2)");
        assert_eq!(outbox(), ["insert 1 1=1"]);
    }

    #[pg_test]
    fn a_column_that_is_added_later_is_told() {
        run("create table t (id int primary key)");
        watch_t();
        run("insert into t values (1)");
        run("alter table t add column n int default 5");
        run("update t set n = 6");
        assert_eq!(outbox(), ["insert 1 1=1", "update 1 2=6"]);
    }
}
