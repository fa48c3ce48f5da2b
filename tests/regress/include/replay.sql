-- replay('t') carries out the current session's unread events of public.t, one by one, on a copy of the table that is empty at
-- first, compares the copy with the table and acknowledges. It is strict: a row that is inserted must not be there, one
-- that is deleted or changed must be, with the old value that the event says.
create schema replica;
create function replay(name text) returns setof text language plpgsql as $$
declare
    e record;
    same_key text;
    found bigint;
begin
    if to_regclass(format('replica.%I', name)) is null then
        execute format('create table replica.%1$I (like public.%1$I including indexes)', name);
    end if;
    set constraints all immediate;
    begin
        for e in select * from event.events(max_events => 100000) where relation = format('public.%I', name) loop
            select string_agg(format('copy.%1$I = given.%1$I', key), ' and ') into same_key from json_object_keys(e.key) key;
            case e.type
                when 'row_insert' then
                    execute format('insert into replica.%1$I select * from json_populate_record(null::public.%1$I, $1)', name) using e.value;
                    found := 1;
                when 'row_delete' then
                    execute format('delete from replica.%1$I copy using json_populate_record(null::public.%1$I, $1) given where %2$s', name, same_key)
                        using e.key;
                    get diagnostics found = row_count;
                when 'field_update' then
                    execute format('update replica.%1$I copy set %3$I = (json_populate_record(null::public.%1$I, $2)).%3$I
                                    from json_populate_record(null::public.%1$I, $1) given
                                    where %2$s and to_json(copy)->>%3$L is not distinct from $3', name, same_key, e.column_name)
                        using e.key, json_build_object(e.column_name, e.value), e.old_value #>> '{}';
                    get diagnostics found = row_count;
                when 'truncate' then
                    execute format('delete from replica.%I', name);
                    found := 1;
            end case;
            if found <> 1 then
                raise exception '% of % finds no such row', e.type, e.key;
            end if;
        end loop;
        return query execute format($query$
            select 'only in the table: ' || missing::text from (table public.%1$I except table replica.%1$I) missing
            union all
            select 'only in the copy: ' || too_much::text from (table replica.%1$I except table public.%1$I) too_much $query$, name);
        get diagnostics found = row_count;
        if found = 0 then
            return next 'the copy equals the table';
        end if;
    exception when others then
        return next 'REPLAY FAILED: ' || sqlerrm;
    end;
    -- What went wrong once shall not be counted again.
    execute format('delete from replica.%I', name);
    execute format('insert into replica.%1$I table public.%1$I', name);
    perform event.ack(event.cursor());
end
$$;
