-- The commit lock is held until the commit is visible: while one transaction has its place but cannot be seen yet,
-- none gets a later place. A synchronous standby that is not there keeps the first writer in that state.
set search_path = public, event;
set synchronous_commit = local;
\pset format unaligned
\pset tuples_only on
create extension dblink schema event;
create table t (id integer primary key);
-- Without notifications, whose own lock would have the same effect.
select session_create(notify => 'off', attach => false) is not null, subscribe_table('t') is not null;
create function wait_for(condition text) returns boolean language plpgsql as $$
declare
    holds boolean;
begin
    for attempt in 1..400 loop
        execute 'select ' || condition into holds;
        if holds then
            return true;
        end if;
        perform pg_sleep(0.025);
    end loop;
    return false;
end
$$;
select dblink_connect(name, format('host=%s port=%s dbname=%s application_name=%s', current_setting('unix_socket_directories'), current_setting('port'), current_database(), name)) from unnest(array['first', 'second']) name;
select dblink_exec('second', 'set synchronous_commit = local');
-- Nor does a writer's own lock_timeout make its commit fail in that lock.
select dblink_exec('second', 'set lock_timeout = ''20ms''');
alter system set synchronous_standby_names = 'nobody';
select pg_reload_conf();
-- The setting is read between two commands, and by the checkpointer, without which nobody waits.
select pg_sleep(1);
select current_setting('synchronous_standby_names');
select dblink_send_query('first', 'insert into t values (1)');
select wait_for($$ exists (select from pg_stat_activity where application_name = 'first' and wait_event = 'SyncRep') $$);
select dblink_send_query('second', 'insert into t values (2)');
select wait_for($$ exists (select from pg_locks l join pg_stat_activity a using (pid) where a.application_name = 'second' and not l.granted and l.locktype = 'object') $$);
select pg_sleep(0.2);
-- Neither is there for a reader, who has nothing to skip.
select count(*) from events();
select cursor() as before \gset
-- The first one is told to wait no longer: it is committed here, and the second one follows.
select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'first';
select * from dblink_get_result('first') as r(status text);
select * from dblink_get_result('second') as r(status text);
alter system reset synchronous_standby_names;
select pg_reload_conf();
select key from events(after => :'before');
select dblink_disconnect(name) from unnest(array['first', 'second']) name;
