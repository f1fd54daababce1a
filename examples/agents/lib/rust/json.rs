//! JSON (RFC 8259) as a tree, in one file without dependencies. Real projects take `serde_json`; this shows that an
//! agent needs no crates.

// No agent uses all of it.
#![allow(dead_code)]

use std::fmt;

/// Arrays and objects inside each other; deeper documents are refused before they can exhaust the stack.
const DEPTH_LIMIT: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As written, so that none loses digits on its way through.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// Members in the order of the document. A name given twice is kept twice; `member` answers the last.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of the given members.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The member of an object; `None` also if this is not an object.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The string member `name`.
    pub fn required_string(&self, name: &str) -> Result<&str, String> {
        match self.member(name) {
            Some(Json::String(text)) => Ok(text),
            Some(_) => Err(format!("\"{name}\" must be a string.")),
            None => Err(format!("\"{name}\" is missing: send {{\"{name}\": \"…\"}}.")),
        }
    }

    /// The integer member `name`, or `fallback` when missing or null.
    pub fn optional_integer(&self, name: &str, fallback: u32, least: u32, most: u32) -> Result<u32, String> {
        let integer = match self.member(name) {
            None | Some(Json::Null) => Some(fallback),
            Some(Json::Number(number)) => number.parse().ok(),
            Some(_) => None,
        };
        integer
            .filter(|integer| (least..=most).contains(integer))
            .ok_or_else(|| format!("\"{name}\" must be a whole number from {least} to {most}."))
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.to_owned())
    }
}

/// The shortest decimal that reads back as the same number, with an exponent where it would get many zeros. JSON has no
/// NaN and no infinities: they become null.
impl From<f64> for Json {
    fn from(number: f64) -> Json {
        let size = number.abs();
        if !number.is_finite() {
            Json::Null
        } else if size == 0.0 || (1e-6..1e21).contains(&size) {
            Json::Number(number.to_string())
        } else {
            Json::Number(format!("{number:e}"))
        }
    }
}

impl From<usize> for Json {
    fn from(count: usize) -> Json {
        Json::Number(count.to_string())
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Json {
        Json::Array(items)
    }
}

/// Reads one document.
///
/// # Errors
/// One sentence with the byte offset of the first mistake.
pub fn parse(text: &str) -> Result<Json, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip_space();
    if reader.peek().is_none() {
        return Err("The input is empty: send one JSON document.".into());
    }
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.expected("the end of the document"),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn expected<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("The input is not valid JSON: {what} expected at byte {}.", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.expected("a value"),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, String>) -> Result<Json, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(format!("The input nests deeper than {DEPTH_LIMIT} levels."));
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return self.expected("':'");
            }
            members.push((name, self.value()?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return self.expected("',' or '}'");
            }
        }
    }

    fn array(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return self.expected("',' or ']'");
            }
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, String> {
        if !self.text[self.at..].starts_with(word) {
            return self.expected("true, false or null");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'-') || self.take(b'+');
            self.digits()?;
        }
        Ok(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> Result<(), String> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.expected("a digit");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.take(b'"') {
            return self.expected("a string");
        }
        let mut text = String::new();
        loop {
            // Everything up to the next quote or escape is copied in one piece.
            let start = self.at;
            while matches!(self.peek(), Some(byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return self.expected("the rest of a string");
            }
            text.push(self.escape()?);
        }
    }

    /// The character that an escape stands for; the backslash has been read.
    fn escape(&mut self) -> Result<char, String> {
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return self.expected("an escape sequence"),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `XXXX`, or `XXXX\uXXXX` that form a surrogate pair. A lone surrogate is no character: U+FFFD stands for it.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let high = self.hex4()?;
        if (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with("\\u") {
            let behind_high = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind_high;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| (byte as char).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.expected("a hexadecimal digit"),
            }
            self.at += 1;
        }
        Ok(code)
    }
}

/// Compact JSON.
impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(number) => out.write_str(number),
            Json::String(text) => write_string(out, text),
            Json::Array(items) => {
                out.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    out.write_str(if i > 0 { "," } else { "" })?;
                    item.fmt(out)?;
                }
                out.write_str("]")
            }
            Json::Object(members) => {
                out.write_str("{")?;
                for (i, (name, value)) in members.iter().enumerate() {
                    out.write_str(if i > 0 { "," } else { "" })?;
                    write_string(out, name)?;
                    out.write_str(":")?;
                    value.fmt(out)?;
                }
                out.write_str("}")
            }
        }
    }
}

fn write_string(out: &mut fmt::Formatter, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.write_str(&text[written..at])?;
        match byte {
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            _ => write!(out, "\\u{byte:04x}")?,
        }
        written = at + 1;
    }
    out.write_str(&text[written..])?;
    out.write_str("\"")
}
