//! CSV after RFC 4180: quoted fields may hold delimiters, line breaks and doubled quotes. Lines may end with LF, CRLF or
//! CR; blank lines are skipped.

use std::borrow::Cow;

/// Reads record by record; fields that need no change are borrowed from the text.
pub struct Records<'a> {
    text: &'a str,
    delimiter: char,
    at: usize,
    line: usize,
}

pub struct Record<'a> {
    /// The line it starts on, from 1.
    pub line: usize,
    pub fields: Vec<Cow<'a, str>>,
}

impl<'a> Records<'a> {
    /// `delimiter` must be an ASCII character other than the quote and line breaks.
    pub fn new(text: &'a str, delimiter: char) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        Records { text, delimiter, at: 0, line: 1 }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// One sentence with the line of a quote that is wrong.
    pub fn read(&mut self) -> Result<Option<Record<'a>>, String> {
        while self.skip_line_break() {}
        if self.at == self.text.len() {
            return Ok(None);
        }
        let line = self.line;
        let mut fields = vec![self.field()?];
        while self.take(self.delimiter) {
            fields.push(self.field()?);
        }
        if self.at < self.text.len() && !self.skip_line_break() {
            return Err(format!("Line {} has text behind a closing quote.", self.line));
        }
        Ok(Some(Record { line, fields }))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn skip_line_break(&mut self) -> bool {
        let carriage_return = self.take('\r');
        let found = self.take('\n') || carriage_return;
        self.line += usize::from(found);
        found
    }

    fn field(&mut self) -> Result<Cow<'a, str>, String> {
        if self.take('"') {
            return self.quoted_field();
        }
        let rest = self.rest();
        let length = rest.find([self.delimiter, '\r', '\n']).unwrap_or(rest.len());
        self.at += length;
        Ok(Cow::Borrowed(&rest[..length]))
    }

    /// The opening quote has been read.
    fn quoted_field(&mut self) -> Result<Cow<'a, str>, String> {
        let opened = self.line;
        let mut field = Cow::Borrowed("");
        loop {
            let rest = self.rest();
            let length = match rest.find('"') {
                Some(length) => length,
                None => return Err(format!("Line {opened} opens a quote that is never closed.")),
            };
            self.line += rest[..length].matches('\n').count();
            self.at += length + 1;
            // Adding to an empty field keeps it borrowed; only doubled quotes lead to a copy.
            field += &rest[..length];
            if !self.take('"') {
                return Ok(field);
            }
            field += "\"";
        }
    }
}
