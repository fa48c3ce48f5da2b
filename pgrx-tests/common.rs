//! What the tests share.

use pgrx::Spi;

use crate::change::outbox;
use crate::change::record::{Record, Value};

/// Runs SQL that must not fail.
pub fn run(sql: &str) {
    Spi::run(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// The one text that a query returns.
pub fn text(sql: &str) -> String {
    Spi::get_one::<String>(sql)
        .expect(sql)
        .unwrap_or_else(|| panic!("null: {sql}"))
}

/// A session that subscribes to the table `t`.
pub fn watch_t() {
    run("select event.session_create(attach => false)");
    run("select event.subscribe_table('t')");
}

/// What the outbox would tell, in its order, which empties it: operation, key text, and `column=new` of each part.
pub fn outbox() -> Vec<String> {
    let mut changes = outbox::with(outbox::Outbox::take_all);
    changes.sort();
    changes
        .iter()
        .map(|(_, record)| told(&Record::decode(record).expect("a record")))
        .collect()
}

fn told(record: &Record) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut words = vec![record.operation.name().expect("of a row").to_owned()];
    words.extend(record.key.iter().map(|key| text(key.text)));
    words.extend(record.parts.iter().map(|part| {
        let new = match part.new {
            Value::Json(json) => text(json),
            Value::Unrenderable => "?".into(),
            Value::Absent => "".into(),
        };
        format!("{}={new}", part.column)
    }));
    words.join(" ")
}
