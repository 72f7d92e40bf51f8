//! The schema notation, read: one message after the other, its fields indented below it.
//!
//! ```text
//! request ProduceRequest key 0 versions 3-13 flexible 9+ listeners broker
//!   TopicData []TopicProduceData
//!     Name string 3-12 ignorable mapKey entity topicName | the topic, where it goes by name
//! ```
//!
//! `schema/README.md` tells what each word means.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// Versions from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    pub fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    fn overlap(self, other: Versions) -> Option<Versions> {
        let both = Versions { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }

    fn hull(self, other: Versions) -> Versions {
        Versions { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
    /// A request's or response's header.
    Header,
    /// A record whose kind and version stand in a frame around it.
    Record,
    /// The key of a coordinator's record.
    Key,
    /// The value of a coordinator's record.
    Value,
    /// Anything else that has versions.
    Data,
}

/// A message with all its structures.
#[derive(Clone, Debug)]
pub struct Message {
    pub kind: Kind,
    pub name: String,
    pub key: Option<i16>,
    pub versions: Versions,
    /// The first version with compact lengths and tagged fields.
    pub flexible: Option<i16>,
    /// The last version is not offered unless the operator asks for unstable versions.
    pub latest_unstable: bool,
    pub doc: String,
    /// The message itself first, then its parts in the order in which they are first named.
    pub structures: Vec<Structure>,
}

/// A sequence of fields.
#[derive(Clone, Debug)]
pub struct Structure {
    pub name: String,
    /// In which versions it can occur.
    pub versions: Versions,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub r#type: Type,
    pub versions: Versions,
    /// In which versions it may be null.
    pub nullable: Option<Versions>,
    pub tag: Option<u32>,
    pub default: Option<String>,
    /// Left out without complaint in versions that lack it.
    pub ignorable: bool,
    pub map_key: bool,
    pub entity: Option<String>,
    /// Keeps the lengths of old even in flexible versions.
    pub legacy: bool,
    pub doc: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Structure(String),
    Array(Box<Type>),
}

impl Type {
    fn parse(text: &str) -> Result<Type> {
        if let Some(element) = text.strip_prefix("[]") {
            return Ok(Type::Array(Box::new(Type::parse(element)?)));
        }
        Ok(match text {
            "bool" => Type::Bool,
            "int8" => Type::I8,
            "int16" => Type::I16,
            "uint16" => Type::U16,
            "int32" => Type::I32,
            "uint32" => Type::U32,
            "int64" => Type::I64,
            "float64" => Type::F64,
            "uuid" => Type::Uuid,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "records" => Type::Records,
            name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                Type::Structure(name.to_owned())
            }
            other => bail!("{other:?} is no type"),
        })
    }

    /// The structure it is, or is an array of.
    pub fn structure(&self) -> Option<&str> {
        match self {
            Type::Structure(name) => Some(name),
            Type::Array(element) => element.structure(),
            _ => None,
        }
    }
}

/// A line, its indentation and its place.
struct Line<'a> {
    number: usize,
    depth: usize,
    words: Vec<&'a str>,
    doc: &'a str,
}

/// Reads all messages of a file.
pub fn parse(text: &str) -> Result<Vec<Message>> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (code, doc) = line.split_once('|').unwrap_or((line, ""));
        let spaces = code.len() - code.trim_start().len();
        ensure!(spaces.is_multiple_of(2), "line {}: indent by two spaces", index + 1);
        lines.push(Line {
            number: index + 1,
            depth: spaces / 2,
            words: code.split_whitespace().collect(),
            doc: doc.trim(),
        });
    }
    let mut messages = Vec::new();
    let mut rest = lines.as_slice();
    while let Some((head, below)) = rest.split_first() {
        let end = below.iter().position(|line| line.depth == 0).unwrap_or(below.len());
        let message = message(head, &below[..end]).with_context(|| format!("line {}", head.number))?;
        messages.push(message);
        rest = &below[end..];
    }
    Ok(messages)
}

fn message(head: &Line<'_>, body: &[Line<'_>]) -> Result<Message> {
    ensure!(head.depth == 0, "a message starts at the margin");
    let mut words = head.words.iter().copied().peekable();
    let kind = match words.next() {
        Some("request") => Kind::Request,
        Some("response") => Kind::Response,
        Some("header") => Kind::Header,
        Some("record") => Kind::Record,
        Some("key") => Kind::Key,
        Some("value") => Kind::Value,
        Some("data") => Kind::Data,
        other => bail!("{other:?} is no kind of message"),
    };
    let name = words.next().context("a message has a name")?.to_owned();
    let mut key = None;
    let mut versions = None;
    let mut flexible = None;
    let mut latest_unstable = false;
    while let Some(word) = words.next() {
        match word {
            "key" => key = Some(words.next().context("a number after `key`")?.parse()?),
            "versions" => {
                versions = Some(range(words.next().context("versions")?, None)?);
            }
            "flexible" => {
                let from = words.next().context("a version after `flexible`")?;
                flexible = Some(from.trim_end_matches('+').parse()?);
            }
            "listeners" => {
                // For readers of the schema: what Ottla serves where is the broker's to say.
                while words.next_if(|word| matches!(*word, "broker" | "controller")).is_some() {}
            }
            "latest-unstable" => latest_unstable = true,
            other => bail!("unknown word {other:?}"),
        }
    }
    let versions = versions.context("a message has versions")?;
    let mut message = Message {
        kind,
        name: name.clone(),
        key,
        versions,
        flexible,
        latest_unstable,
        doc: head.doc.to_owned(),
        structures: vec![Structure { name, versions, fields: Vec::new() }],
    };
    let fields = fields(body, 1, versions, &mut message.structures)?;
    message.structures[0].fields = fields;
    settle_versions(&mut message)?;
    Ok(message)
}

/// The fields at `depth`, with everything that is indented below them.
fn fields(
    lines: &[Line<'_>],
    depth: usize,
    message: Versions,
    structures: &mut Vec<Structure>,
) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    let mut rest = lines;
    while let Some((head, below)) = rest.split_first() {
        ensure!(head.depth == depth, "line {}: indented too far", head.number);
        let end = below.iter().position(|line| line.depth <= depth).unwrap_or(below.len());
        let field = field(head, message).with_context(|| format!("line {}", head.number))?;
        if end > 0 {
            let name = field.r#type.structure().context("only structures have fields")?.to_owned();
            ensure!(
                structures.iter().all(|structure| structure.name != name),
                "line {}: the fields of {name} are given twice",
                head.number
            );
            let index = structures.len();
            structures.push(Structure { name, versions: field.versions, fields: Vec::new() });
            let inner = self::fields(&below[..end], depth + 1, message, structures)?;
            structures[index].fields = inner;
        }
        fields.push(field);
        rest = &below[end..];
    }
    Ok(fields)
}

fn field(line: &Line<'_>, message: Versions) -> Result<Field> {
    let mut words = line.words.iter().copied().peekable();
    let mut field = Field {
        name: words.next().context("a field has a name")?.to_owned(),
        r#type: Type::parse(words.next().context("a field has a type")?)?,
        versions: message,
        nullable: None,
        tag: None,
        default: None,
        ignorable: false,
        map_key: false,
        entity: None,
        legacy: false,
        doc: line.doc.to_owned(),
    };
    let number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    if let Some(word) = words.next_if(number) {
        field.versions = range(word, Some(message.last))?;
    }
    while let Some(word) = words.next() {
        match word {
            "nullable" => {
                field.nullable = Some(match words.next_if(number) {
                    Some(word) => range(word, Some(message.last))?,
                    None => field.versions,
                });
            }
            "tag" => field.tag = Some(words.next().context("a number after `tag`")?.parse()?),
            "default" => field.default = Some(words.next().context("a default")?.to_owned()),
            "ignorable" => field.ignorable = true,
            "mapKey" => field.map_key = true,
            "entity" => field.entity = Some(words.next().context("an entity")?.to_owned()),
            "legacy" => field.legacy = true,
            other => bail!("unknown word {other:?}"),
        }
    }
    Ok(field)
}

/// `3`, `3-5` or, where the last one is known, `3+`.
fn range(text: &str, last: Option<i16>) -> Result<Versions> {
    let (first, last) = if let Some(first) = text.strip_suffix('+') {
        (first.parse()?, last.context("no open range here")?)
    } else if let Some((first, last)) = text.split_once('-') {
        (first.parse()?, last.parse()?)
    } else {
        (text.parse()?, text.parse()?)
    };
    ensure!(first <= last, "{text} is empty");
    Ok(Versions { first, last })
}

/// A structure named in several places occurs in all their versions, and so do those inside it; a field
/// without versions of its own is in all versions of its structure.
fn settle_versions(message: &mut Message) -> Result<()> {
    let mut uses: BTreeMap<String, Versions> = BTreeMap::new();
    let mut todo = vec![(message.name.clone(), message.versions)];
    while let Some((name, versions)) = todo.pop() {
        let known = uses.get(&name).copied();
        let hull = known.map_or(versions, |known| known.hull(versions));
        if known == Some(hull) {
            continue;
        }
        uses.insert(name.clone(), hull);
        let structure = message
            .structures
            .iter()
            .find(|structure| structure.name == name)
            .with_context(|| format!("{name} has no fields anywhere"))?;
        for field in &structure.fields {
            if let Some(inner) = field.r#type.structure()
                && let Some(versions) = field.versions.overlap(hull)
            {
                todo.push((inner.to_owned(), versions));
            }
        }
    }
    for structure in &mut message.structures {
        structure.versions =
            *uses.get(&structure.name).with_context(|| format!("{} is never used", structure.name))?;
        for field in &mut structure.fields {
            field.versions = field
                .versions
                .overlap(structure.versions)
                .with_context(|| format!("{} is in no version of {}", field.name, structure.name))?;
            field.nullable = field.nullable.and_then(|nullable| nullable.overlap(field.versions));
        }
    }
    Ok(())
}
