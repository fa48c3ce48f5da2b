//! JSON text, written as bytes: a database's encoding need not be UTF-8, and every encoding that a
//! server can have leaves ASCII bytes alone, so escaping byte by byte is right in all of them.

use std::io::Write;

/// Appends `text` as a JSON string, escaped as PostgreSQL's `to_json` escapes it.
pub fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => write!(out, "\\u{byte:04x}").expect("a Vec takes every write"),
        }
    }
    out.extend_from_slice(&text[plain..]);
    out.push(b'"');
}

/// A JSON object that is being written. Values come as finished JSON, so they are never parsed.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes the key and hands out the buffer, in which the caller writes the value.
    pub fn key(&mut self, key: &[u8]) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        string(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key.as_bytes()).extend_from_slice(json);
    }

    pub fn text(&mut self, key: &str, value: &[u8]) {
        string(value, self.key(key.as_bytes()));
    }

    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes `[a,b,…]`, each element by `write`.
pub fn array<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        string(text, &mut out);
        out
    }

    #[test]
    fn a_string_reads_back_as_it_was() {
        let every_char: String = (1..0x250u32)
            .filter_map(char::from_u32)
            .chain("😀".chars())
            .collect();
        let json = escaped(every_char.as_bytes());
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), every_char);
    }

    #[test]
    fn control_characters_are_escaped_as_to_json_does() {
        assert_eq!(
            escaped(b"a\"b\\\x01\x1f\n\t\r\x08\x0c"),
            br#""a\"b\\\u0001\u001f\n\t\r\b\f""#
        );
    }

    #[test]
    fn bytes_of_another_encoding_pass_unchanged() {
        assert_eq!(escaped(b"\xe9t\xe9"), b"\"\xe9t\xe9\"");
    }
}
