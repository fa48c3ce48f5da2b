//! JSON text, written as bytes: a database's encoding need not be UTF-8, and every encoding that a
//! server can have leaves ASCII bytes alone, so escaping byte by byte is right in all of them.

use std::io::Write;

/// Appends `text` as a JSON string, escaped as PostgreSQL's `to_json` escapes it.
pub fn string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = first_escaped(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            byte => write!(out, "\\u{byte:04x}").expect("a Vec takes every write"),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte stands that cannot be in a JSON string as it is. Eight bytes are looked at at a time, as described in
/// "Bit Twiddling Hacks" by Sean Eron Anderson: a byte's highest bit is set in what is left if the byte is one of those, or
/// stands behind such a one.
fn first_escaped(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let is_escaped = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    let (words, tail) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let number = u64::from_ne_bytes(*word);
        let below = |number: u64, limit: u8| {
            number.wrapping_sub(ONES * u64::from(limit)) & !number & HIGHEST
        };
        let equal = |byte: u8| below(number ^ (ONES * u64::from(byte)), 1);
        if below(number, b' ') | equal(b'"') | equal(b'\\') != 0 {
            let within = word.iter().position(is_escaped);
            return within.map(|within| at * 8 + within);
        }
    }
    let within = tail.iter().position(is_escaped);
    within.map(|within| words.len() * 8 + within)
}

/// Appends a word of our own as a JSON string.
fn word(word: &'static str, out: &mut Vec<u8>) {
    debug_assert_eq!(first_escaped(word.as_bytes()), None);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
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
        self.separate();
        string(key, self.out);
        self.out.push(b':');
        self.out
    }

    /// As [`Self::key`], for a key that is a JSON string already.
    pub fn json_key(&mut self, key: &[u8]) -> &mut Vec<u8> {
        self.separate();
        self.out.extend_from_slice(key);
        self.out.push(b':');
        self.out
    }

    /// As [`Self::key`], for a key of our own, which needs no escapes.
    pub fn member(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.separate();
        word(key, self.out);
        self.out.push(b':');
        self.out
    }

    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    pub fn raw(&mut self, key: &'static str, json: &[u8]) {
        self.member(key).extend_from_slice(json);
    }

    pub fn text(&mut self, key: &'static str, value: &[u8]) {
        string(value, self.member(key));
    }

    /// A value of our own, which needs no escapes.
    pub fn word(&mut self, key: &'static str, value: &'static str) {
        word(value, self.member(key));
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
    fn every_byte_is_looked_at() {
        let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        for neighbour in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
            for at in 0..20 {
                for byte in 0..=255 {
                    let mut text = [neighbour; 20];
                    text[at] = byte;
                    let found = is_escaped(byte).then_some(at);
                    assert_eq!(first_escaped(&text), found, "{byte} at {at} in {neighbour}");
                }
            }
        }
    }

    #[test]
    fn bytes_of_another_encoding_pass_unchanged() {
        assert_eq!(escaped(b"\xe9t\xe9"), b"\"\xe9t\xe9\"");
    }
}
