//! The scan: one pass, without recursion.

use super::keys::{Keys, ObjectKeys, key_of};
use super::numbers::{may_change, number_end};
use super::outline::is_long;
use crate::runtime::json_text::run_end;
use smallvec::SmallVec;

/// The most of each that a text may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Levels of nesting.
    pub depth: u32,
    /// Keys of one object.
    pub keys: u32,
    /// Objects and arrays.
    pub containers: u32,
    /// Commas, containers, and one.
    pub values: u32,
}

/// The numbers are those that JavaScript knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Depth = 0,
    Keys = 1,
    Containers = 2,
    Values = 3,
}

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// At this byte, or at the end.
    Syntax(usize),
    /// With the quotes of the field's key, if it is inside one.
    Bound(Bound, Option<(usize, usize)>),
    /// The quotes of a key that stands twice in its object.
    Duplicate(usize, usize),
    /// The opening quote of a key `__proto__`.
    Prototype(usize),
}

/// A field of the outermost object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The places of its quotes.
    pub key: (usize, usize),
    pub value: (usize, usize),
    /// The first of its long texts, and the first of the next field.
    pub texts: (usize, usize),
}

/// What a valid text has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Behind a byte order mark.
    pub start: usize,
    pub is_object: bool,
    /// Whether JavaScript may write one of its numbers as another.
    pub has_odd_numbers: bool,
    pub fields: Vec<Field>,
    /// Start and end of each.
    pub texts: Vec<u32>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const USUAL_DEPTH: usize = 8;

/// An open object or array.
enum Level<'a> {
    Object(ObjectKeys<'a>),
    Array,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    bounds: Bounds,
    containers: u32,
    values: u32,
    levels: SmallVec<[Level<'a>; USUAL_DEPTH]>,
    keys: Keys<'a>,
    field: Field,
    scan: Scan,
}

/// Scans a text of less than 4 GiB.
///
/// # Errors
/// The first fault from the left.
pub fn scan(bytes: &[u8], bounds: Bounds) -> Result<Scan, Fault> {
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let scanner = Scanner {
        bytes,
        at: start,
        bounds,
        containers: 0,
        values: 1,
        levels: SmallVec::new(),
        keys: Keys::default(),
        field: Field { key: (0, 0), value: (0, 0), texts: (0, 0) },
        scan: Scan { start, ..Scan::default() },
    };
    scanner.run()
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Result<Scan, Fault> {
        self.skip_blanks();
        while self.value()? {}
        if self.at == self.bytes.len() { Ok(self.scan) } else { Err(Fault::Syntax(self.at)) }
    }

    /// Takes the value at `at` and what is behind it, up to the next value; `false` if there is
    /// none. Of a container it takes the beginning.
    #[inline(always)]
    fn value(&mut self) -> Result<bool, Fault> {
        if self.is_field() {
            self.field.value.0 = self.at;
            self.field.texts.0 = self.scan.texts.len() / 2;
        }
        match self.bytes.get(self.at) {
            Some(b'"') => {
                let (start, _) = self.string()?;
                let end = self.at - 1;
                if is_long(&self.bytes[start + 1..end]) {
                    self.scan.texts.extend([start as u32 + 1, end as u32]);
                }
            }
            Some(b'{') => {
                let keys = self.keys.open();
                self.open(Level::Object(keys))?;
                if self.bytes.get(self.at) != Some(&b'}') {
                    self.key()?;
                    return Ok(true);
                }
                self.close();
            }
            Some(b'[') => {
                self.open(Level::Array)?;
                if self.bytes.get(self.at) != Some(&b']') {
                    return Ok(true);
                }
                self.close();
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.at = number_end(self.bytes, start).map_err(Fault::Syntax)?;
                self.scan.has_odd_numbers |= may_change(&self.bytes[start..self.at]);
            }
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(Fault::Syntax(self.at)),
        }
        self.behind_value()
    }

    /// Takes commas and ends of containers, up to the next value.
    #[inline(always)]
    fn behind_value(&mut self) -> Result<bool, Fault> {
        loop {
            if self.is_field() {
                self.field.value.1 = self.at;
                self.field.texts.1 = self.scan.texts.len() / 2;
                self.scan.fields.push(self.field);
            }
            self.skip_blanks();
            let is_object = match self.levels.last() {
                None => return Ok(false),
                Some(level) => matches!(level, Level::Object(_)),
            };
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.count_value()?;
                    self.at += 1;
                    self.skip_blanks();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if is_object => self.close(),
                Some(b']') if !is_object => self.close(),
                _ => return Err(Fault::Syntax(self.at)),
            }
        }
    }

    /// Whether a value here is one of the outermost object's.
    #[inline(always)]
    fn is_field(&self) -> bool {
        self.levels.len() == 1 && self.scan.is_object
    }

    #[inline(always)]
    fn open(&mut self, level: Level<'a>) -> Result<(), Fault> {
        if self.levels.is_empty() {
            self.scan.is_object = matches!(level, Level::Object(_));
        }
        self.levels.push(level);
        if self.levels.len() > self.bounds.depth as usize {
            return Err(self.exceeds(Bound::Depth));
        }
        self.containers += 1;
        if self.containers > self.bounds.containers {
            return Err(self.exceeds(Bound::Containers));
        }
        self.count_value()?;
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self) {
        if let Some(Level::Object(object)) = self.levels.pop() {
            self.keys.close(&object);
        }
        self.at += 1;
    }

    #[inline(always)]
    fn count_value(&mut self) -> Result<(), Fault> {
        self.values += 1;
        if self.values > self.bounds.values { Err(self.exceeds(Bound::Values)) } else { Ok(()) }
    }

    /// Takes a key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Result<(), Fault> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(Fault::Syntax(self.at));
        }
        let (start, is_escaped) = self.string()?;
        let end = self.at - 1;
        let depth = self.levels.len();
        if depth == 1 {
            self.field.key = (start, end);
        }
        if let Some(Level::Object(object)) = self.levels.last_mut() {
            if object.count >= self.bounds.keys as usize {
                return Err(self.exceeds(Bound::Keys));
            }
            let key = key_of(&self.bytes[start + 1..end], is_escaped);
            if *key == *b"__proto__" {
                return Err(Fault::Prototype(start));
            }
            if !self.keys.add(object, key) {
                return Err(Fault::Duplicate(start, end));
            }
        }
        self.skip_blanks();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(Fault::Syntax(self.at));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Takes the string at `at`; returns where it starts, and whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<(usize, bool), Fault> {
        let start = self.at;
        let mut is_escaped = false;
        let mut at = start + 1;
        loop {
            at = run_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape_end(at)?,
                _ => return Err(Fault::Syntax(at)),
            }
            is_escaped = true;
        }
        self.at = at + 1;
        Ok((start, is_escaped))
    }

    /// Behind the escape that begins at `at`.
    #[inline(always)]
    fn escape_end(&self, at: usize) -> Result<usize, Fault> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => match (at + 2..at + 6).find(|digit| !self.bytes.get(*digit).is_some_and(u8::is_ascii_hexdigit)) {
                None => Ok(at + 6),
                Some(wrong) => Err(Fault::Syntax(wrong)),
            },
            _ => Err(Fault::Syntax(at + 1)),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        for expected in literal {
            if self.bytes.get(self.at) != Some(expected) {
                return Err(Fault::Syntax(self.at));
            }
            self.at += 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    #[cold]
    fn exceeds(&self, bound: Bound) -> Fault {
        Fault::Bound(bound, (self.scan.is_object && self.levels.len() > 1).then_some(self.field.key))
    }
}
