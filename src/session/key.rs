//! From the ways in which a caller names a row to its primary key in canonical text form: `'03'`, `3` and
//! `{"id": 3}` are the same row.

use std::collections::BTreeMap;

use pgrx::AnyElement;
use pgrx::pg_sys;
use serde_json::value::RawValue;

use crate::error::{Error, raise};
use crate::pg::pinned::PinnedSettings;
use crate::pg::relation::{Column, Description};
use crate::pg::{argument, output, subtransaction};
use crate::tables::subscription::KeyValues;

/// A key argument: a plain value, an array in key order, or jsonb `{"a":1,"b":"x"}`. Raises 22023 for one
/// that does not fit the primary key.
pub fn of_argument(key: Option<AnyElement>, relation: &Description) -> KeyValues {
    let key = key.unwrap_or_else(|| raise(Error::NullArgument { argument: "key" }));
    // A typed value is printed as capture prints it, which every input function reads back as the same value;
    // only a text is read under the caller's settings.
    let pinned = PinnedSettings::new();
    match key.oid() {
        pg_sys::JSONBOID | pg_sys::JSONOID => {
            let json = argument::output(key.datum(), key.oid());
            drop(pinned);
            of_names(&object(&json, relation), relation)
        }
        kind => {
            let values = match argument::array(&key) {
                Some(array) => array
                    .values
                    .into_iter()
                    .map(|value| value.map(|value| argument::output(value, array.kind)))
                    .collect(),
                None => vec![Some(argument::output(key.datum(), kind))],
            };
            drop(pinned);
            in_key_order(values, relation)
        }
    }
}

/// The key columns by name, in any order.
pub fn of_names(key: &[(String, String)], relation: &Description) -> KeyValues {
    if let Some((name, _)) = key.iter().find(|(name, _)| {
        relation
            .column_number(name)
            .is_none_or(|number| !relation.key.contains(&number))
    }) {
        refuse(relation, format!("\"{name}\" is not a column of it"));
    }
    let values = key_columns(relation).map(|column| {
        let mut found = key
            .iter()
            .filter(|(name, _)| name.as_bytes() == column.name);
        found.next().map(|(_, value)| value.clone().into_bytes())
    });
    let values: Vec<_> = values.collect();
    if values.len() != key.len() {
        refuse(relation, "it has other columns".into());
    }
    in_key_order(values, relation)
}

fn in_key_order(values: Vec<Option<Vec<u8>>>, relation: &Description) -> KeyValues {
    if values.len() != relation.key.len() {
        refuse(
            relation,
            format!(
                "it has {} columns, but {} values were given",
                relation.key.len(),
                values.len()
            ),
        );
    }
    let canonical = key_columns(relation)
        .zip(values)
        .map(|(column, value)| match value {
            Some(value) => canonical(column, &value, relation),
            None => refuse(relation, "it is never null".into()),
        });
    KeyValues::new(&relation.key, canonical.collect())
}

/// Through the column type's input function, under the caller's settings, and its output function, under
/// the pinned ones, under which capture prints keys.
fn canonical(column: &Column, value: &[u8], relation: &Description) -> Vec<u8> {
    let text = subtransaction::catch(|| {
        let value = argument::input(value, column.kind, column.modifier);
        let _pinned = PinnedSettings::new();
        output::canonical(value, column.kind, output::trust(column.kind))
    });
    text.flatten().unwrap_or_else(|| {
        refuse(
            relation,
            format!(
                "the value for \"{}\" is not of its type",
                String::from_utf8_lossy(&column.name)
            ),
        )
    })
}

/// The members of a JSON object as text: strings without quotes, everything else as it is written.
fn object(json: &[u8], relation: &Description) -> Vec<(String, String)> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(json) else {
        refuse(
            relation,
            "the JSON is not an object of column names and values".into(),
        );
    };
    members
        .into_iter()
        .map(|(name, value)| {
            let text = match value.get() {
                "null" => refuse(relation, "it is never null".into()),
                json if json.starts_with('"') => {
                    serde_json::from_str(json).expect("a string of valid JSON is a string")
                }
                json => json.to_owned(),
            };
            (name, text)
        })
        .collect()
}

fn key_columns(relation: &Description) -> impl Iterator<Item = &Column> {
    relation
        .key
        .iter()
        .filter_map(|&number| relation.column(number))
}

fn refuse(relation: &Description, problem: String) -> ! {
    let names: Vec<String> = key_columns(relation)
        .map(|column| String::from_utf8_lossy(&column.name).into_owned())
        .collect();
    let example = match names.as_slice() {
        [_] => "key => '1'".into(),
        names => {
            let members: Vec<String> = names
                .iter()
                .map(|name| format!("{}: \"…\"", serde_json::Value::from(name.as_str())))
                .collect();
            format!("key => '{{{}}}'::jsonb", members.join(", "))
        }
    };
    raise(Error::BadKey {
        relation: relation.display(),
        problem,
        example,
    })
}
