//! A value's JSON is what `to_json` gives under pinned settings, whatever the writer's are.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use pgrx::{AnyElement, pg_sys};

    use super::super::common::{run, text};
    use crate::capture::value::Renderer;
    use crate::pg::output::{canonical, trust};
    use crate::pg::pinned::PinnedSettings;

    /// The JSON of an expression's value; `None` if it cannot be rendered.
    fn json(expression: &str) -> Option<String> {
        let value: AnyElement = Spi::connect(|client| {
            let tuples = client
                .select(&format!("select {expression}"), Some(1), &[])
                .unwrap();
            let datum = tuples
                .first()
                .get_datum_by_ordinal(1)
                .unwrap()
                .expect("not null");
            // SAFETY: the table is the result that was just selected, and the type is its first column's. The
            // value is copied into the memory that outlives SPI's.
            unsafe {
                let kind = pg_sys::SPI_gettypeid((*pg_sys::SPI_tuptable).tupdesc, 1);
                let (by_value, length) = (pg_sys::get_typbyval(kind), pg_sys::get_typlen(kind));
                let copy = pg_sys::SPI_datumTransfer(datum, by_value, length.into());
                AnyElement::from_polymorphic_datum(copy, false, kind)
            }
        })
        .expect("not null");
        let _pinned = PinnedSettings::new();
        let mut out = Vec::new();
        // SAFETY: the value is of this type.
        let rendered = unsafe { Renderer::of(value.oid()).render(value.datum(), &mut out) };
        rendered.then(|| String::from_utf8(out).expect("UTF-8"))
    }

    #[pg_test]
    fn p04_values_are_those_of_to_json() {
        run("create type mood as enum ('sad', 'Happy \"x\"')");
        run("create type point3 as (x int, \"Y y\" text, z float8[])");
        run("create domain positive as int check (value > 0)");
        run("create domain moods as mood[]");
        let expressions = [
            "true",
            "false",
            "7::int2",
            "-7::int4",
            "9223372036854775807::int8",
            "1.0::numeric",
            "1.00::numeric",
            "'NaN'::numeric",
            "1e400::numeric",
            "'-Infinity'::numeric",
            "0.1::float4",
            "0.1::float8",
            "'-0'::float8",
            "'NaN'::float8",
            "'Infinity'::float4",
            "1e300::float8",
            "''::text",
            "'é\"\\\u{1}😀'::text",
            "'ab'::char(5)",
            "'x'::varchar",
            "'x'::\"char\"",
            "'n'::name",
            "'\\xdeadbeef'::bytea",
            "'{\"a\": 1, \"a\": 2, \"b\":1e400}'::json",
            "'\"\\u0000\"'::json",
            "'{\"b\":2,\"a\":1.0}'::jsonb",
            "'2026-01-02'::date",
            "'infinity'::date",
            "'0044-03-15 BC'::date",
            "'2026-01-02 03:04:05.678'::timestamp",
            "'-infinity'::timestamp",
            "'2026-01-02 03:04:05+05'::timestamptz",
            "'0044-03-15 00:00:00+00 BC'::timestamptz",
            "'03:04:05'::time",
            "'03:04:05+02'::timetz",
            "'1 year 2 months 3 days 04:05:06.7'::interval",
            "'30 days'::interval",
            "'10.0.0.0/8'::cidr",
            "'10.0.0.1'::inet",
            "'08:00:2b:01:02:03'::macaddr",
            "B'101'::bit(3)",
            "'(1,2)'::point",
            "'[1,5)'::int4range",
            "'{[1,2),[4,5)}'::int4multirange",
            "'0/16B3748'::pg_lsn",
            "'a & b'::tsquery",
            "'a:1 b:2'::tsvector",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            "'pg_catalog.pg_class'::regclass",
            "'$1,000.50'::money",
            "'sad'::mood",
            "'Happy \"x\"'::mood",
            "'{sad}'::mood[]",
            "'{sad}'::moods",
            "3::positive",
            "'{}'::int[]",
            "'{1,NULL,3}'::int[]",
            "'{{1,2},{3,4}}'::int[]",
            "'[5:6]={1,2}'::int[]",
            "array['a\"b', 'NULL', null]",
            "array['{\"a\":1}'::json]",
            "array['2026-01-02'::date]",
            "row(1, 'a\"b', '{0.5,NaN}')::point3",
            "array[row(1, null, null)::point3]",
            "'1 2 3'::int2vector",
            "'1 2'::oidvector",
            "42::oid",
            "'1:2:'::pg_snapshot",
            "'7'::xid8",
            "'(0,1)'::tid",
        ];
        for expression in expressions {
            run("set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex';
                 set extra_float_digits = 1; set search_path = 'pg_catalog'; set lc_monetary = 'C'");
            run("set search_path = pg_catalog, tests, public");
            let expected = text(&format!("select to_json({expression})::text"));
            run("set timezone = 'America/New_York'; set datestyle = 'German'; set intervalstyle = 'iso_8601';
                 set bytea_output = 'escape'; set extra_float_digits = -10");
            let told = json(expression);
            run(
                "reset timezone; reset datestyle; reset intervalstyle; reset bytea_output; reset extra_float_digits",
            );
            assert_eq!(told.as_deref(), Some(expected.as_str()), "{expression}");
        }
    }

    #[pg_test]
    fn p26_a_cast_to_json_is_never_called() {
        run("create extension hstore");
        assert_eq!(json("'a=>1'::hstore").as_deref(), Some(r#""\"a\"=>\"1\"""#));
        assert_eq!(
            json("array['a=>1'::hstore]").as_deref(),
            Some(r#"["\"a\"=>\"1\""]"#)
        );
    }

    #[pg_test]
    fn p04_names_do_not_depend_on_the_search_path() {
        run("create schema s; create table s.here (id int)");
        run("set search_path = s");
        assert_eq!(json("'here'::regclass").as_deref(), Some(r#""s.here""#));
        assert_eq!(text("select current_setting('search_path')"), "s");
    }

    #[pg_test]
    fn the_canonical_text_is_under_pinned_settings() {
        run("set timezone = 'America/New_York'; set datestyle = 'German'");
        let time =
            Spi::get_one::<TimestampWithTimeZone>("select '2026-01-02 03:04:05+00'::timestamptz");
        let time = time.unwrap().unwrap().into_datum().unwrap();
        let kind = pg_sys::TIMESTAMPTZOID;
        let _pinned = PinnedSettings::new();
        let text = canonical(time, kind, trust(kind)).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "2026-01-02 03:04:05+00");
    }
}
