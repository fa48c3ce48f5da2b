//! Our tables, read and written directly.

#[pgrx::pg_schema]
mod tests {
    use pgrx::pg_sys::Oid;
    use pgrx::prelude::*;

    use super::super::common::{run, text};
    use crate::change::operation::{SessionId, SubscriptionType};
    use crate::change::recipients::Recipients;
    use crate::pg::scan_key::{Key, unsigned};
    use crate::pg::table::{Read, Table};
    use crate::tables::{own_segment, recipient_set, registry};

    fn sets_of_two() -> Recipients {
        let mut recipients = Recipients::default();
        recipients
            .entry(SessionId::from_u128(7))
            .add(SubscriptionType::Table, None);
        recipients
            .entry(SessionId::from_u128(8))
            .add(SubscriptionType::Column, Some(2));
        recipients
    }

    #[pg_test]
    fn many_rows_are_found_by_their_index() {
        run("select event.session_create(attach => false)");
        let registry = registry::registry();
        let table = Table::open_to_write(registry.subscription_change);
        let mut insert = table.insert();
        // More than two batches, in an order that is not the index's.
        for number in 0..2_500u64 {
            let xid = (number * 7) % 2_500 + 1_000_000_000;
            insert.row(&[Some(unsigned(xid)), Some(Oid::from_u32(1).into())]);
        }
        insert.end();
        let keys = [Key::xid8_at_least(1, 1_000_000_000)];
        let mut scan = table.scan(registry.subscription_change_xid, &keys, Read::Latest);
        let mut found = Vec::new();
        while let Some(row) = scan.next() {
            found.push(row.unsigned(1).unwrap());
        }
        assert_eq!(found, (1_000_000_000..1_000_002_500).collect::<Vec<u64>>());
        let mut scan = table.scan(registry.subscription_change_xid, &keys, Read::Latest);
        assert_eq!(scan.next_back().unwrap().unsigned(1), Some(1_000_002_499));
        drop(scan);
        run("set enable_seqscan = off");
        assert_eq!(
            text("select count(*)::text from event.subscription_change where xid >= '1000002000'"),
            "500"
        );
    }

    #[pg_test]
    fn a_set_of_recipients_is_found_again() {
        run("select event.session_create(attach => false)");
        let (recipients, own) = (sets_of_two(), own_segment::get());
        assert_eq!(recipient_set::find(&own, &recipients), None);
        let id = recipient_set::insert(&own, &recipients);
        assert_eq!(recipient_set::find(&own, &recipients), Some(id));
        assert_eq!(
            recipient_set::load(&own, id, Read::Latest),
            Some(recipients)
        );
        assert_eq!(
            recipient_set::of_session(&own, SessionId::from_u128(8), Read::Latest),
            [id]
        );
        assert_eq!(
            recipient_set::of_session(&own, SessionId::from_u128(9), Read::Latest),
            [] as [i64; 0]
        );
    }

    #[pg_test]
    fn the_registry_follows_a_new_extension() {
        run("select event.session_create(attach => false)");
        let (before, extension) = (registry::registry().segment, registry::extension());
        run("drop extension pg_reldiff cascade");
        run("create extension pg_reldiff");
        assert_ne!(registry::registry().segment, before);
        assert_ne!(registry::extension(), extension);
        run("select event.session_create(attach => false)");
    }
}
