-- What triggers, constraints' triggers, functions and procedures make of a change: what is stored is told, when it is stored.
set search_path = public, event;
\pset format unaligned
\pset tuples_only on
create table price (
    id integer primary key,
    net integer,
    rate integer default 20,
    gross integer generated always as (net * (100 + rate) / 100) stored,
    level text generated always as (case when net < 100 then 'low' else 'high' end) stored,
    changes integer default 0
);
select session_create('triggers', attach => false) is not null, subscribe_table('price') is not null;
-- What the session has been told since the last call.
create function told() returns setof text language plpgsql as $$
begin
    return query select event.diff();
    perform event.ack(event.cursor());
end
$$;
-- A stored generated column is a field like others: told when its value changes, and only then.
insert into price (id, net) values (1, 10), (2, 200);
update price set net = 20 where id = 1;
update price set net = 200, rate = 10 where id = 1;
update price set rate = 10 where id = 1;
select told();
-- A column subscription to it hears when another column changes it.
select session_current() as main \gset
select session_create('level', attach => false) as level \gset
select subscribe_column('price', 'level') is not null;
update price set net = 90 where id = 1;
update price set net = 91 where id = 1;
select told();
select session_use(:'main') = :'main';
select told();

-- BEFORE triggers: what they write into NEW is told, key and unnamed columns included; what they hand back unchanged,
-- or not at all, is not.
create function before_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        return case when old.net < 50 then null else old end;
    end if;
    if new.net < 0 then
        return case tg_op when 'UPDATE' then old end;
    end if;
    if tg_op = 'INSERT' then
        new.id := new.id + 1000;
    else
        new.changes := old.changes + 1;
    end if;
    return new;
end
$$;
create trigger before_change before insert or update or delete on price for each row execute function before_change();
insert into price (id, net) values (1, 40), (2, 60), (3, -1);
update price set rate = 5 where id = 1001;
update price set net = -1 where id = 1001;
update price set id = 1004 where id = 1002;
update price set rate = rate where id = 1001;
delete from price where id >= 1000;
select told();
drop trigger before_change on price;
delete from price where id > 1;
select told();

-- Deferred constraint triggers change rows at the commit: told after the rest, in the same transaction.
create table account (id integer primary key, balance integer, checked text);
select subscribe_table('account') is not null;
create function checks() returns trigger language plpgsql as $$
begin
    update public.account set checked = coalesce(checked || ', ', '') || new.balance where id = new.id;
    return null;
end
$$;
create constraint trigger checks after insert or update of balance on account deferrable initially deferred for each row execute function checks();
begin;
insert into account values (1, 10), (2, 20);
update account set balance = 15 where id = 1;
delete from account where id = 2;
commit;
select count(distinct xid), array_agg(event->>'last' order by cursor) from events();
select told();
-- Made immediate, they change them there and then, and later ones at once.
begin;
update account set balance = 16 where id = 1;
insert into account values (3, 30);
set constraints checks immediate;
update account set balance = 17 where id = 1;
delete from account where id = 3;
commit;
select told();
-- What a deferred trigger of a rolled-back savepoint would have changed is not told.
begin;
savepoint s;
update account set balance = 18 where id = 1;
rollback to s;
insert into account values (4, 40);
commit;
select told();
drop trigger checks on account;

-- Functions that change rows inside a query: each call's changes, in the order of the calls.
create function pay(account_id integer, amount integer) returns integer language plpgsql as $$
begin
    update public.account set balance = balance + amount where id = account_id;
    insert into public.account values (account_id * 100 + amount, amount);
    return amount;
end
$$;
select pay(1, n) from generate_series(1, 2) n;
select id from account where id = 4 and pay(4, 5) > 0;
create function pay_in_sql(integer) returns bigint language sql as $$
    delete from public.account where id = $1;
    insert into public.account values ($1, 0, 'anew');
    select count(*) from public.account;
$$;
select pay_in_sql(1);
insert into account values (5, 50) returning pay(4, 6);
select told();
-- A cursor WITH HOLD is carried out to its end by the commit.
begin;
declare held no scroll cursor with hold for select pay(4, n) from generate_series(7, 9) n;
fetch 1 from held;
insert into account values (6, 60);
commit;
fetch all from held;
close held;
select count(distinct xid) from events();
select told();
-- A procedure that commits in its loop: three transactions, each with a last event; and one that fails afterwards.
create procedure in_batches() language plpgsql as $$
begin
    for n in 1..3 loop
        insert into public.account values (70 + n, n);
        update public.account set balance = balance * 10 where id = 70 + n;
        commit;
    end loop;
    insert into public.account values (79, 0);
    raise exception 'the rest is undone';
end
$$;
\set VERBOSITY terse
call in_batches();
select count(distinct xid), count(*) filter (where event->>'last' = 'true') from events();
select told();
