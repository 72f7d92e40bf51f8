//! Bytes of messages with seeded values, made from the schema alone: the second opinion that the
//! generated encoders and decoders are compared with.

use std::fs;
use std::path::Path;

use super::schema::{Field, Message, Structure, Type, parse};

/// Tags from here on are known to no version of any message.
const UNKNOWN_TAG_MIN: u32 = 64;

/// All messages of a folder of schema files.
pub fn schemas(folder: &Path) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the schema folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            messages.extend(schemas(&path));
        } else if path.extension().is_some_and(|it| it == "txt") && !path.ends_with("errors.txt") {
            let text = fs::read_to_string(&path).expect("a schema file is text");
            messages.extend(parse(&text).expect("a committed schema file is valid"));
        }
    }
    messages
}

/// A small generator (splitmix64): the same seed gives the same numbers everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Makes one message.
pub struct Seeded<'a> {
    message: &'a Message,
    version: i16,
    flexible: bool,
    random: Random,
    /// Every value is its default.
    plain: bool,
}

impl<'a> Seeded<'a> {
    pub fn new(message: &'a Message, version: i16, seed: u64) -> Seeded<'a> {
        let flexible = message.flexible.is_some_and(|first| first <= version);
        Seeded { message, version, flexible, random: Random::new(seed), plain: false }
    }

    /// The message's bytes.
    pub fn bytes(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let message = self.message;
        self.structure(&message.structures[0], &mut out);
        out
    }

    fn structure(&mut self, structure: &Structure, out: &mut Vec<u8>) {
        let version = self.version;
        let fields = structure.fields.iter().filter(|field| field.versions.contains(version));
        for field in fields.clone().filter(|field| field.tag.is_none()) {
            self.value(field, out);
        }
        if !self.flexible {
            return;
        }
        let mut tagged: Vec<&Field> = fields.filter(|field| field.tag.is_some()).collect();
        tagged.sort_by_key(|field| field.tag);
        let mut tags = Vec::new();
        for field in tagged {
            let mut default = Vec::new();
            let plain = std::mem::replace(&mut self.plain, true);
            self.value(field, &mut default);
            self.plain = plain;
            let mut value = Vec::new();
            self.value(field, &mut value);
            if value != default {
                tags.push((field.tag.expect("only tagged fields are here"), value));
            }
        }
        if !self.plain && self.random.one_in(4) {
            let mut tag = UNKNOWN_TAG_MIN;
            for _ in 0..=self.random.below(2) {
                tag += u32::try_from(self.random.below(200)).expect("a small number");
                let size = self.random.below(8);
                let value = (0..size).map(|_| self.random.next() as u8).collect();
                tags.push((tag, value));
                tag += 1;
            }
        }
        varint(out, tags.len());
        for (tag, value) in tags {
            varint(out, tag as usize);
            varint(out, value.len());
            out.extend(value);
        }
    }

    fn value(&mut self, field: &Field, out: &mut Vec<u8>) {
        let compact = self.flexible && !field.legacy;
        if field.nullable.is_some_and(|nullable| nullable.contains(self.version)) {
            let null_by_default = field.default.as_deref() == Some("null") || field.r#type == Type::Records;
            let null = if self.plain { null_by_default } else { self.random.one_in(4) };
            match (&field.r#type, null) {
                (Type::Structure(_), true) => out.push(if field.tag.is_some() { 0 } else { 0xff }),
                (Type::Structure(_), false) => out.push(1),
                (_, true) if compact => out.push(0),
                (Type::String, true) => out.extend((-1_i16).to_be_bytes()),
                (_, true) => out.extend((-1_i32).to_be_bytes()),
                (_, false) => {}
            }
            if null {
                return;
            }
        }
        let default = field.default.as_deref().filter(|default| *default != "null");
        self.plain_value(&field.r#type, default, compact, out);
    }

    fn plain_value(&mut self, r#type: &Type, default: Option<&str>, compact: bool, out: &mut Vec<u8>) {
        match r#type {
            Type::Bool => {
                let value = if self.plain { default == Some("true") } else { self.random.one_in(2) };
                out.push(u8::from(value));
            }
            Type::I8 => self.number(1, default, out),
            Type::I16 | Type::U16 => self.number(2, default, out),
            Type::I32 | Type::U32 => self.number(4, default, out),
            Type::I64 => self.number(8, default, out),
            // Not every pattern is a number that keeps its bits in Java.
            Type::F64 => {
                let value = if self.plain { 0.0 } else { self.random.below(1 << 20) as f64 * -0.37 };
                out.extend(value.to_be_bytes());
            }
            Type::Uuid => {
                for _ in 0..16 {
                    out.push(if self.plain { 0 } else { self.random.next() as u8 });
                }
            }
            Type::String => {
                let text = self.text();
                if compact {
                    varint(out, text.len() + 1);
                } else {
                    out.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
                }
                out.extend(text.as_bytes());
            }
            Type::Bytes | Type::Records => {
                let size = self.size();
                length(out, size, compact);
                for _ in 0..size {
                    out.push(self.random.next() as u8);
                }
            }
            Type::Structure(name) => {
                let part = self.message.structures.iter().find(|part| part.name == *name);
                self.structure(part.expect("the parser has checked names"), out);
            }
            Type::Array(element) => {
                let count = if self.plain { 0 } else { self.random.below(4) };
                length(out, count, compact);
                for _ in 0..count {
                    self.plain_value(element, None, compact, out);
                }
            }
        }
    }

    fn number(&mut self, size: usize, default: Option<&str>, out: &mut Vec<u8>) {
        let value: i64 = if self.plain {
            default.map_or(0, |default| default.parse().expect("a number"))
        } else {
            match self.random.below(6) {
                0 => i64::MIN >> (64 - 8 * size),
                1 => i64::MAX >> (64 - 8 * size),
                2 => 0,
                3 => 1,
                4 => -1,
                _ => self.random.next() as i64,
            }
        };
        out.extend(&value.to_be_bytes()[8 - size..]);
    }

    fn size(&mut self) -> usize {
        match self.random.below(16) {
            _ if self.plain => 0,
            0 => 128 + self.random.below(200),
            _ => self.random.below(12),
        }
    }

    fn text(&mut self) -> String {
        let size = self.size();
        (0..size)
            .map(|_| match self.random.below(10) {
                0 => 'é',
                1 => '櫻',
                2 => '🚀',
                other => char::from(b'a' + other as u8),
            })
            .collect()
    }
}

fn length(out: &mut Vec<u8>, length: usize, compact: bool) {
    if compact {
        varint(out, length + 1);
    } else {
        out.extend(u32::try_from(length).expect("a short one").to_be_bytes());
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
