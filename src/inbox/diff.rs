//! `event.diff`: the inbox for human eyes, a line per event.

use super::acknowledge::Start;
use super::reader::Reader;
use crate::change::event::{Content, Event};
use crate::change::json::Object;
use crate::change::record::Value;
use crate::pg::bytes::is_utf8;
use crate::pg::table::Read;
use crate::tables::session::Session;

const GREEN: &[u8] = b"\x1b[32m";
const RED: &[u8] = b"\x1b[31m";
const YELLOW: &[u8] = b"\x1b[33m";
const MAGENTA: &[u8] = b"\x1b[35m";
const RESET: &[u8] = b"\x1b[0m";

/// A line per event, with terminal colours if `color` is set.
pub fn lines(session: Session, start: Start, color: bool) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    Reader::new(&session, Read::Inserted, start).read(
        usize::MAX,
        |event, _| line(event, color),
        |line, _| lines.push(line),
    );
    lines
}

/// `+ public.person 5  {…}`, `- public.person 4`, `~ public.person 3  score: 16 → 19`, `! public.person  truncate`
fn line(event: &Event, color: bool) -> Vec<u8> {
    let (sign, paint) = match event.content {
        Content::RowInsert { .. } => (b"+ ", GREEN),
        Content::RowDelete => (b"- ", RED),
        Content::FieldUpdate { .. } => (b"~ ", YELLOW),
        Content::Control { .. } | Content::Overflow { .. } => (b"! ", MAGENTA),
    };
    let mut line = Vec::new();
    if color {
        line.extend_from_slice(paint);
    }
    line.extend_from_slice(sign);
    line.extend_from_slice(&event.change.relation.qualified.text);
    if event.has_relation() {
        line.push(b' ');
    }
    key(event, &mut line);
    match event.content {
        Content::Overflow { .. } => {
            line.extend_from_slice(event.operation().event_type().as_bytes());
        }
        Content::Control { .. } => {
            line.push(b' ');
            line.extend_from_slice(event.operation().event_type().as_bytes());
        }
        Content::RowInsert { .. } => {
            line.extend_from_slice(b"  ");
            let mut row = Object::new(&mut line);
            for (name, value) in event.columns() {
                shown(value, row.json_key(&name.json));
            }
            row.end();
        }
        Content::RowDelete => {}
        Content::FieldUpdate { column, part } => {
            line.extend_from_slice(b"  ");
            line.extend_from_slice(&column.text);
            line.extend_from_slice(b": ");
            shown(part.old, &mut line);
            line.extend_from_slice(if is_utf8() { " → " } else { " -> " }.as_bytes());
            shown(part.new, &mut line);
        }
    }
    if color {
        line.extend_from_slice(RESET);
    }
    line
}

/// The key's text: `3`, or `(3, x)` of a compound key; none for an event of the whole relation.
fn key(event: &Event, line: &mut Vec<u8>) {
    match event.key() {
        [] => {}
        [key] => line.extend_from_slice(key.text),
        keys => {
            line.push(b'(');
            for (at, key) in keys.iter().enumerate() {
                if at > 0 {
                    line.extend_from_slice(b", ");
                }
                line.extend_from_slice(key.text);
            }
            line.push(b')');
        }
    }
}

fn shown(value: Value, line: &mut Vec<u8>) {
    match value {
        Value::Json(json) => line.extend_from_slice(json),
        Value::Absent | Value::Unrenderable => line.push(b'?'),
    }
}
