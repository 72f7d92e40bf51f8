//! Messages and their parts as Rust: the struct, its default, `decode` and `write`.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use super::names;
use super::schema::{Field, Kind, Message, Structure, Type, Versions};
use super::{BANNER, Source, only};

/// One generated file.
pub fn file(source: &Source) -> Result<String> {
    let mut out = String::from(BANNER);
    writeln!(out, "//! {}\n", title(source)?)?;
    let mut body = String::new();
    for message in &source.messages {
        Emitter { source, message }.message(&mut body)?;
    }
    out.push_str(&imports(&body));
    out.push_str(&body);
    Ok(out)
}

/// The doc of a file and what it promises.
fn title(source: &Source) -> Result<String> {
    let first = source.messages.first().context("a schema file has a message")?;
    Ok(match first.kind {
        Kind::Request => format!(
            "{} (key {}), versions {}: request and response.",
            first.name.trim_end_matches("Request"),
            first.key.context("a request has a key")?,
            dashed(first.versions)
        ),
        Kind::Key => {
            let value = only(source, Kind::Value).context("a key has a value")?;
            format!(
                "{} (kind {}), value versions {}: key and value.",
                first.name.trim_end_matches("Key"),
                first.key.context("a record has a key")?,
                dashed(value.versions)
            )
        }
        Kind::Record => format!(
            "{} (kind {}), versions {}.",
            first.name,
            first.key.context("a record has a key")?,
            dashed(first.versions)
        ),
        Kind::Header => "The headers before every request and response.".to_owned(),
        Kind::Data | Kind::Value | Kind::Response => {
            format!("{}, versions {}.", first.name, dashed(first.versions))
        }
    })
}

/// `mod.rs` of a folder: its modules by name.
pub fn map_of_modules(folder: &str, sources: &[Source]) -> Result<String> {
    let mut out = String::from(BANNER);
    let about = match folder {
        "messages" => "All requests and responses, a module per API.",
        "records/control" => "Records of control batches: they speak to the log itself, not to its readers.",
        _ => "What is laid out like a message, and is neither sent alone nor a record of a log.",
    };
    writeln!(out, "//! {about}\n")?;
    for source in sources.iter().filter(|source| source.folder == folder) {
        writeln!(out, "pub mod {};", source.module)?;
    }
    if folder != "messages" {
        out.push('\n');
        for source in sources.iter().filter(|source| source.folder == folder) {
            writeln!(out, "pub use {}::{{{}}};", source.module, message_names(source))?;
        }
    }
    Ok(out)
}

/// What a file's module offers to its folder: the messages; their parts stay in the module.
pub fn message_names(source: &Source) -> String {
    source.messages.iter().map(|message| message.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn imports(body: &str) -> String {
    let has = |word: &str| has_word(body, word);
    let mut out = String::new();
    if has("Bytes") {
        out.push_str("use bytes::Bytes;\n");
    }
    if has("Uuid") {
        out.push_str("use ottla_ids::Uuid;\n");
    }
    if has("ApiKey") {
        out.push_str("use crate::api_key::ApiKey;\n");
    }
    let mut traits = vec!["Message", "Structure"];
    if has("Request") {
        traits.push("Request");
    }
    let _ = writeln!(out, "use crate::message::{{{}}};", traits.join(", "));
    if has("Payload") {
        out.push_str("use crate::payload::Payload;\n");
    }
    let reader: Vec<&str> = ["DecodeError", "RawTaggedField", "Reader", "non_null", "null_where"]
        .into_iter()
        .filter(|name| has(name))
        .collect();
    let _ = writeln!(out, "use crate::reader::{{{}}};", reader.join(", "));
    let sink: Vec<&str> = [
        "EncodeError",
        "Sink",
        "absent",
        "no_tagged_fields",
        "not_null",
        "put_bytes",
        "put_i8s",
        "put_i16s",
        "put_i32s",
        "put_i64s",
        "put_nullable_structure",
        "put_nullable_tagged_structure",
        "put_payload",
        "put_raw_tagged_fields",
        "put_structures",
        "put_tag",
        "put_tagged_fields",
        "put_text",
        "put_texts",
        "put_unknown_tagged_fields",
        "put_uuids",
        "size_of",
    ]
    .into_iter()
    .filter(|name| has(name))
    .collect();
    let _ = writeln!(out, "use crate::sink::{{{}}};", sink.join(", "));
    if has("Text") {
        out.push_str("use crate::text::Text;\n");
    }
    out.push('\n');
    out
}

fn dashed(versions: Versions) -> String {
    if versions.first == versions.last {
        versions.first.to_string()
    } else {
        format!("{}–{}", versions.first, versions.last)
    }
}

/// When something of a structure's versions holds: always, never, or as an expression says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Never,
    If(String),
}

impl When {
    /// `inner`, as seen where only `outer` can occur.
    pub(super) fn within(inner: Versions, outer: Versions) -> When {
        if inner.last < outer.first || outer.last < inner.first {
            return When::Never;
        }
        match (outer.first < inner.first, inner.last < outer.last) {
            (false, false) => When::Always,
            (true, false) => When::If(format!("version >= {}", inner.first)),
            (false, true) => When::If(format!("version <= {}", inner.last)),
            (true, true) if inner.first == inner.last => When::If(format!("version == {}", inner.first)),
            (true, true) => When::If(format!("({}..={}).contains(&version)", inner.first, inner.last)),
        }
    }

    /// As an expression, what is the case where it does not hold.
    fn negated(&self) -> String {
        match self {
            When::Always => "false".to_owned(),
            When::Never => "true".to_owned(),
            When::If(expression) if expression.contains(">=") => expression.replace(">=", "<"),
            When::If(expression) if expression.contains("<=") => expression.replace("<=", ">"),
            When::If(expression) if expression.contains("==") => expression.replace("==", "!="),
            When::If(expression) => format!("!{expression}"),
        }
    }

    fn expression(&self) -> String {
        match self {
            When::Always => "true".to_owned(),
            When::Never => "false".to_owned(),
            When::If(expression) => expression.clone(),
        }
    }
}

pub(super) struct Emitter<'a> {
    pub(super) source: &'a Source,
    pub(super) message: &'a Message,
}

impl Emitter<'_> {
    fn message(&self, out: &mut String) -> Result<()> {
        for (index, structure) in self.message.structures.iter().enumerate() {
            self.structure(structure, index == 0, out)
                .with_context(|| format!("in {} of {}", structure.name, self.message.name))?;
            if index == 0 {
                self.message_impl(out)?;
            }
        }
        Ok(())
    }

    /// A part's name in Rust. A name that the request and the response both use gets their word before.
    pub(super) fn rust_name(&self, name: &str) -> String {
        let clash = self.source.messages.iter().any(|other| {
            other.name != self.message.name && other.structures.iter().any(|part| part.name == name)
        });
        if !clash {
            return name.to_owned();
        }
        let prefix = match self.message.kind {
            Kind::Response => "Response",
            Kind::Request => "Request",
            Kind::Key => "Key",
            _ => "Value",
        };
        format!("{prefix}{name}")
    }

    fn message_impl(&self, out: &mut String) -> Result<()> {
        let message = self.message;
        let name = &message.name;
        writeln!(
            out,
            "impl Message for {name} {{
                const NAME: &'static str = {name:?};
                const API_KEY: Option<i16> = {:?};
                const VERSIONS: std::ops::RangeInclusive<i16> = {}..={};
                const FLEXIBLE: Option<i16> = {:?};
            }}\n",
            message.key, message.versions.first, message.versions.last, message.flexible
        )?;
        if message.kind == Kind::Request {
            let base = name.trim_end_matches("Request");
            writeln!(
                out,
                "impl Request for {name} {{
                    const KEY: ApiKey = ApiKey::{base};
                    type Response = {base}Response;
                }}\n"
            )?;
        }
        Ok(())
    }

    fn structure(&self, structure: &Structure, top: bool, out: &mut String) -> Result<()> {
        let name = self.rust_name(&structure.name);
        self.definition(structure, &name, top, out)?;
        let size_min = self.size_min(structure)?;
        writeln!(out, "impl Structure for {name} {{\nconst SIZE_MIN: usize = {size_min};\n")?;
        self.decode(structure, out)?;
        self.write(structure, out)?;
        out.push_str("}\n\n");
        Ok(())
    }

    fn definition(&self, structure: &Structure, name: &str, top: bool, out: &mut String) -> Result<()> {
        let message = self.message;
        if top {
            let flexible = match message.flexible {
                Some(first) => format!("flexible from {first}"),
                None => "never flexible".to_owned(),
            };
            let what = match (message.kind, message.key) {
                (Kind::Request, Some(key)) => {
                    format!("The request of {} (key {key})", message.name.trim_end_matches("Request"))
                }
                (Kind::Response, Some(key)) => {
                    format!("The response of {} (key {key})", message.name.trim_end_matches("Response"))
                }
                (Kind::Key, Some(key)) => format!("The key of a record of kind {key}"),
                (Kind::Value, Some(key)) => format!("The value of a record of kind {key}"),
                (_, Some(key)) => format!("A record of kind {key}"),
                (_, None) => "All versions in one".to_owned(),
            };
            writeln!(out, "/// {what}: versions {}, {flexible}.", dashed(message.versions))?;
            if !message.doc.is_empty() {
                writeln!(out, "///\n/// {}.", sentence(&message.doc))?;
            }
        } else {
            writeln!(
                out,
                "/// Part of [`{}`], versions {}.",
                self.rust_name(&message.name),
                dashed(structure.versions)
            )?;
        }
        let plain = structure.fields.iter().all(|field| self.default_is_rusts(field));
        let mut derives = vec!["Clone", "Debug", "PartialEq"];
        if !self.has_float(structure) {
            derives.push("Eq");
        }
        if plain {
            derives.push("Default");
        }
        writeln!(out, "#[derive({})]\npub struct {name} {{", derives.join(", "))?;
        for field in &structure.fields {
            for line in self.field_doc(field, structure) {
                writeln!(out, "/// {line}")?;
            }
            writeln!(out, "pub {}: {},", names::field(&field.name), self.rust_type(field))?;
        }
        if self.has_tags(structure) {
            out.push_str("/// Tagged fields that are not known here.\n");
            out.push_str("pub unknown_tagged_fields: Vec<RawTaggedField>,\n");
        }
        out.push_str("}\n\n");
        if !plain {
            writeln!(out, "impl Default for {name} {{\nfn default() -> {name} {{\n{name} {{")?;
            for field in &structure.fields {
                writeln!(out, "{}: {},", names::field(&field.name), self.default(field))?;
            }
            if self.has_tags(structure) {
                out.push_str("unknown_tagged_fields: Vec::new(),\n");
            }
            out.push_str("}\n}\n}\n\n");
        }
        Ok(())
    }

    fn field_doc(&self, field: &Field, structure: &Structure) -> Vec<String> {
        let mut facts = Vec::new();
        if field.versions != structure.versions {
            facts.push(versions_text(field.versions, self.message.versions));
        }
        if let Some(tag) = field.tag {
            facts.push(format!("tag {tag}"));
        }
        if let Some(nullable) = field.nullable {
            if nullable == field.versions {
                facts.push("may be null".to_owned());
            } else {
                facts.push(format!("may be null in {}", versions_text(nullable, self.message.versions)));
            }
        }
        if let Some(default) = field.default.as_ref().filter(|default| *default != "null") {
            facts.push(format!("default {default}"));
        }
        if field.ignorable && field.versions != structure.versions {
            facts.push("left out where there is no room for it".to_owned());
        }
        if facts.is_empty() && !field.doc.is_empty() {
            return vec![format!("{}.", sentence(&field.doc))];
        }
        if facts.is_empty() {
            facts.push("all versions".to_owned());
        }
        let facts = format!("{}.", sentence(&facts.join(", ")));
        if field.doc.is_empty() {
            vec![facts]
        } else {
            vec![format!("{}.", sentence(&field.doc)), String::new(), facts]
        }
    }

    fn rust_type(&self, field: &Field) -> String {
        let plain = self.plain_type(&field.r#type);
        if field.nullable.is_some() { format!("Option<{plain}>") } else { plain }
    }

    fn plain_type(&self, r#type: &Type) -> String {
        match r#type {
            Type::Bool => "bool".to_owned(),
            Type::I8 => "i8".to_owned(),
            Type::I16 => "i16".to_owned(),
            Type::U16 => "u16".to_owned(),
            Type::I32 => "i32".to_owned(),
            Type::U32 => "u32".to_owned(),
            Type::I64 => "i64".to_owned(),
            Type::F64 => "f64".to_owned(),
            Type::Uuid => "Uuid".to_owned(),
            Type::String => "Text".to_owned(),
            Type::Bytes => "Bytes".to_owned(),
            Type::Records => "Payload".to_owned(),
            Type::Structure(name) => self.rust_name(name),
            Type::Array(element) => format!("Vec<{}>", self.plain_type(element)),
        }
    }

    /// Records are null by default wherever they can be; all else only where the schema says so.
    fn default_is_null(&self, field: &Field) -> bool {
        field.nullable.is_some()
            && (field.default.as_deref() == Some("null") || field.r#type == Type::Records)
    }

    fn default_is_rusts(&self, field: &Field) -> bool {
        if field.nullable.is_some() { self.default_is_null(field) } else { field.default.is_none() }
    }

    fn default(&self, field: &Field) -> String {
        if self.default_is_null(field) {
            return "None".to_owned();
        }
        let plain = match (&field.r#type, field.default.as_deref()) {
            (_, Some(default)) => number(default),
            (Type::Bool, None) => "false".to_owned(),
            (Type::F64, None) => "0.0".to_owned(),
            (Type::I8 | Type::I16 | Type::U16 | Type::I32 | Type::U32 | Type::I64, None) => "0".to_owned(),
            (Type::Uuid, None) => "Uuid::ZERO".to_owned(),
            (Type::String, None) => "Text::new()".to_owned(),
            (Type::Bytes, None) => "Bytes::new()".to_owned(),
            (Type::Records, None) => "Payload::default()".to_owned(),
            (Type::Structure(name), None) => format!("{}::default()", self.rust_name(name)),
            (Type::Array(_), None) => "Vec::new()".to_owned(),
        };
        if field.nullable.is_some() { format!("Some({plain})") } else { plain }
    }

    /// Whether the field says anything but its default.
    pub(super) fn is_set(&self, field: &Field) -> String {
        let place = format!("self.{}", names::field(&field.name));
        if self.default_is_null(field) {
            return format!("{place}.is_some()");
        }
        let sized = matches!(field.r#type, Type::String | Type::Bytes | Type::Records | Type::Array(_));
        if field.nullable.is_some() {
            return if sized {
                format!("{place}.as_ref().is_none_or(|it| !it.is_empty())")
            } else {
                format!(
                    "{place}.as_ref().is_none_or(|it| *it != {}::default())",
                    self.plain_type(&field.r#type)
                )
            };
        }
        match (&field.r#type, field.default.as_deref()) {
            (Type::Bool, None | Some("false")) => place,
            (Type::Bool, Some(_)) => format!("!{place}"),
            _ if sized => format!("!{place}.is_empty()"),
            _ => format!("{place} != {}", self.default(field)),
        }
    }

    fn has_tags(&self, structure: &Structure) -> bool {
        self.message.flexible.is_some_and(|first| first <= structure.versions.last)
    }

    fn has_float(&self, structure: &Structure) -> bool {
        structure.fields.iter().any(|field| {
            let inner = field.r#type.structure().and_then(|name| self.part(name));
            field.r#type == Type::F64 || inner.is_some_and(|part| self.has_float(part))
        })
    }

    fn part(&self, name: &str) -> Option<&Structure> {
        self.message.structures.iter().find(|structure| structure.name == name)
    }

    /// Where versions are flexible, as seen inside the structure.
    fn flexible(&self, structure: &Structure) -> When {
        match self.message.flexible {
            Some(first) => {
                When::within(Versions { first, last: self.message.versions.last }, structure.versions)
            }
            None => When::Never,
        }
    }

    /// The fewest bytes the structure takes in any of its versions.
    fn size_min(&self, structure: &Structure) -> Result<usize> {
        let versions = structure.versions;
        let smallest = (versions.first..=versions.last)
            .map(|version| self.size_min_at(structure, version))
            .min()
            .context("a structure has versions")?;
        // A message without fields takes no bytes; it is never an element of an array.
        Ok(smallest.max(1))
    }

    fn size_min_at(&self, structure: &Structure, version: i16) -> usize {
        let flexible = self.message.flexible.is_some_and(|first| first <= version);
        let fields = structure
            .fields
            .iter()
            .filter(|field| field.versions.contains(version) && field.tag.is_none())
            .map(|field| match &field.r#type {
                Type::Bool | Type::I8 => 1,
                Type::I16 | Type::U16 => 2,
                Type::I32 | Type::U32 => 4,
                Type::I64 | Type::F64 => 8,
                Type::Uuid => 16,
                Type::String if flexible && !field.legacy => 1,
                Type::String => 2,
                Type::Bytes | Type::Records | Type::Array(_) if flexible => 1,
                Type::Bytes | Type::Records | Type::Array(_) => 4,
                Type::Structure(_) if field.nullable.is_some() => 1,
                Type::Structure(name) => self.part(name).map_or(0, |part| self.size_min_at(part, version)),
            })
            .sum::<usize>();
        fields + usize::from(flexible)
    }

    fn decode(&self, structure: &Structure, out: &mut String) -> Result<()> {
        let mut body = String::new();
        let flexible = self.flexible(structure);
        let tagged: Vec<&Field> = structure.fields.iter().filter(|field| field.tag.is_some()).collect();
        for field in structure.fields.iter().filter(|field| field.tag.is_none()) {
            let name = local(field);
            let when = When::within(field.versions, structure.versions);
            let value = self.read(field, &flexible, field.versions);
            match when {
                When::Always => writeln!(body, "let {name} = {value};")?,
                When::Never => writeln!(body, "let {name} = {};", self.default(field))?,
                When::If(condition) => writeln!(
                    body,
                    "let {name} = if {condition} {{ {value} }} else {{ {} }};",
                    self.default(field)
                )?,
            }
        }
        if self.has_tags(structure) {
            for field in &tagged {
                writeln!(body, "let mut {} = {};", local(field), self.default(field))?;
            }
            if tagged.is_empty() {
                match &flexible {
                    When::Always => {
                        body.push_str("let unknown_tagged_fields = reader.unknown_tagged_fields()?;\n");
                    }
                    _ => body.push_str(
                        "let unknown_tagged_fields = if flexible { reader.unknown_tagged_fields()? } else { Vec::new() };\n",
                    ),
                }
            } else {
                body.push_str("let mut unknown_tagged_fields = Vec::new();\n");
                if let When::If(_) = flexible {
                    body.push_str("if flexible {\n");
                }
                body.push_str(
                    "for _ in reader.tagged_fields()? {\nlet (tag, size) = reader.tag()?;\nmatch tag {\n",
                );
                for field in &tagged {
                    let tag = field.tag.context("a tagged field")?;
                    let name = local(field);
                    let possible = self.flexible_versions(structure)?;
                    let value = self.read(field, &When::Always, field.versions);
                    match When::within(field.versions, possible) {
                        When::Always => writeln!(body, "{tag} => {name} = {value},")?,
                        When::Never => {}
                        When::If(condition) => writeln!(
                            body,
                            "{tag} if {condition} => {name} = {value},
                             {tag} => return Err(DecodeError::Tag {{ structure: {:?}, tag, version }}),",
                            structure.name
                        )?,
                    }
                }
                body.push_str(
                    "_ => unknown_tagged_fields.push(reader.raw_tagged_field(tag, size)?),\n}\n}\n",
                );
                if let When::If(_) = flexible {
                    body.push_str("}\n");
                }
            }
        } else {
            ensure!(tagged.is_empty(), "tagged fields in a structure that is never flexible");
        }
        let reader = if has_word(&body, "reader") { "reader" } else { "_reader" };
        let version =
            if has_word(&body, "version") || has_word(&body, "flexible") { "version" } else { "_version" };
        writeln!(out, "fn decode({reader}: &mut Reader, {version}: i16) -> Result<Self, DecodeError> {{")?;
        if has_word(&body, "flexible") {
            writeln!(out, "let flexible = {};", flexible.expression())?;
        }
        out.push_str(&body);
        out.push_str("Ok(Self {\n");
        for field in &structure.fields {
            let (name, local) = (names::field(&field.name), local(field));
            if name == local {
                writeln!(out, "{name},")?;
            } else {
                writeln!(out, "{name}: {local},")?;
            }
        }
        if self.has_tags(structure) {
            out.push_str("unknown_tagged_fields,\n");
        }
        out.push_str("})\n}\n\n");
        Ok(())
    }

    /// The flexible versions in which a structure occurs.
    fn flexible_versions(&self, structure: &Structure) -> Result<Versions> {
        let first = self.message.flexible.context("tagged fields need flexible versions")?;
        Ok(Versions { first: first.max(structure.versions.first), last: structure.versions.last })
    }

    /// The expression that reads a field, where `here` are the versions that come this way.
    fn read(&self, field: &Field, flexible: &When, here: Versions) -> String {
        let flexible = if field.legacy { "false".to_owned() } else { flexible_word(flexible) };
        let name = format!("{:?}", field.name);
        let null = field.nullable.map_or(When::Never, |nullable| When::within(nullable, here));
        // A reader that gives an option, and one that gives the value itself where there is one.
        let (option, value) = match &field.r#type {
            Type::Bool => return "reader.bool()?".to_owned(),
            Type::I8 => return "reader.i8()?".to_owned(),
            Type::I16 => return "reader.i16()?".to_owned(),
            Type::U16 => return "reader.u16()?".to_owned(),
            Type::I32 => return "reader.i32()?".to_owned(),
            Type::U32 => return "reader.u32()?".to_owned(),
            Type::I64 => return "reader.i64()?".to_owned(),
            Type::F64 => return "reader.f64()?".to_owned(),
            Type::Uuid => return "reader.uuid()?".to_owned(),
            Type::String => (
                format!("reader.nullable_text({flexible})?"),
                Some(format!("reader.text({flexible}, {name})?")),
            ),
            Type::Bytes => (
                format!("reader.nullable_bytes({flexible})?"),
                Some(format!("reader.bytes({flexible}, {name})?")),
            ),
            Type::Records => (
                format!("reader.nullable_payload({flexible})?"),
                Some(format!("reader.payload({flexible}, {name})?")),
            ),
            Type::Structure(part) => (
                match field.tag {
                    Some(_) => "reader.nullable_tagged_structure(version)?".to_owned(),
                    None => "reader.nullable_structure(version)?".to_owned(),
                },
                Some(format!("{}::decode(reader, version)?", self.rust_name(part))),
            ),
            Type::Array(element) => {
                let option = match **element {
                    Type::I8 => format!("reader.i8s({flexible})?"),
                    Type::I16 => format!("reader.i16s({flexible})?"),
                    Type::I32 => format!("reader.i32s({flexible})?"),
                    Type::I64 => format!("reader.i64s({flexible})?"),
                    Type::Uuid => format!("reader.uuids({flexible})?"),
                    Type::String => format!("reader.texts({flexible}, {name})?"),
                    _ => format!("reader.structures({flexible}, version)?"),
                };
                (option, None)
            }
        };
        match (field.nullable, null) {
            (None, _) => value.unwrap_or_else(|| format!("non_null({option}, {name})?")),
            (Some(_), When::Always) => option,
            (Some(_), null) => match &field.r#type {
                // Where it cannot be null, no byte says that it is there.
                Type::Structure(_) => format!(
                    "if {} {{ {option} }} else {{ Some({}) }}",
                    null.expression(),
                    value.unwrap_or_default()
                ),
                _ => format!("null_where({}, {option}, {name})?", null.expression()),
            },
        }
    }

    fn write(&self, structure: &Structure, out: &mut String) -> Result<()> {
        let mut body = String::new();
        let flexible = self.flexible(structure);
        for field in structure.fields.iter().filter(|field| field.tag.is_none()) {
            let value = self.put(field, &flexible, structure)?;
            let absent = self.absent(field, structure);
            match When::within(field.versions, structure.versions) {
                When::Always => body.push_str(&value),
                When::Never => {}
                When::If(condition) if field.ignorable => writeln!(body, "if {condition} {{ {value} }}")?,
                When::If(condition) => {
                    writeln!(body, "if {condition} {{ {value} }} else {{ {absent} }}")?;
                }
            }
        }
        if self.has_tags(structure) {
            self.write_tagged(structure, &flexible, &mut body)?;
        }
        let sink = if has_word(&body, "sink") { "sink" } else { "_sink" };
        let version =
            if has_word(&body, "version") || has_word(&body, "flexible") { "version" } else { "_version" };
        writeln!(
            out,
            "fn write<S: Sink>(&self, {sink}: &mut S, {version}: i16) -> Result<(), EncodeError> {{"
        )?;
        if has_word(&body, "flexible") {
            writeln!(out, "let flexible = {};", flexible.expression())?;
        }
        out.push_str(&body);
        out.push_str("Ok(())\n}\n");
        Ok(())
    }

    fn absent(&self, field: &Field, structure: &Structure) -> String {
        format!("absent({}, {:?}, {:?}, version)?;", self.is_set(field), structure.name, field.name)
    }

    fn write_tagged(&self, structure: &Structure, flexible: &When, body: &mut String) -> Result<()> {
        let mut tagged: Vec<&Field> = structure.fields.iter().filter(|field| field.tag.is_some()).collect();
        tagged.sort_by_key(|field| field.tag);
        let conditional = matches!(flexible, When::If(_));
        if conditional {
            body.push_str("if flexible {\n");
        }
        if tagged.is_empty() {
            body.push_str("put_unknown_tagged_fields(sink, &self.unknown_tagged_fields)?;\n");
        } else {
            let possible = self.flexible_versions(structure)?;
            let mut flags = Vec::new();
            for field in &tagged {
                let tag = field.tag.context("a tagged field")?;
                let set = self.is_set(field);
                let when = When::within(field.versions, possible);
                let flag = match &when {
                    When::Always => set.clone(),
                    When::Never => "false".to_owned(),
                    When::If(condition) => {
                        if !field.ignorable {
                            writeln!(body, "if {} {{ {} }}", when.negated(), self.absent(field, structure))?;
                        }
                        format!("{condition} && ({set})")
                    }
                };
                writeln!(body, "let has_tag_{tag} = {flag};")?;
                flags.push(format!("usize::from(has_tag_{tag})"));
            }
            let tags: Vec<String> =
                tagged.iter().filter_map(|field| field.tag).map(|tag| tag.to_string()).collect();
            writeln!(
                body,
                "put_tagged_fields(sink, {}, &[{}], &self.unknown_tagged_fields)?;",
                flags.join(" + "),
                tags.join(", ")
            )?;
            let mut next = 0;
            for field in &tagged {
                let tag = field.tag.context("a tagged field")?;
                if tag > next {
                    writeln!(
                        body,
                        "put_raw_tagged_fields(sink, &self.unknown_tagged_fields, {next}, {tag})?;"
                    )?;
                }
                let put = self.put(field, &When::Always, structure)?;
                let size = match &field.r#type {
                    Type::Bool | Type::I8 => "1".to_owned(),
                    Type::I16 | Type::U16 => "2".to_owned(),
                    Type::I32 | Type::U32 => "4".to_owned(),
                    Type::I64 | Type::F64 => "8".to_owned(),
                    Type::Uuid => "16".to_owned(),
                    _ => format!("size_of(|sink| {{ {put} Ok(()) }})?"),
                };
                writeln!(body, "if has_tag_{tag} {{ put_tag(sink, {tag}, {size})?; {put} }}")?;
                next = tag + 1;
            }
            writeln!(body, "put_raw_tagged_fields(sink, &self.unknown_tagged_fields, {next}, u32::MAX)?;")?;
        }
        if conditional {
            body.push_str("} else {\n");
            for field in tagged.iter().filter(|field| !field.ignorable) {
                body.push_str(&self.absent(field, structure));
                body.push('\n');
            }
            writeln!(
                body,
                "no_tagged_fields(&self.unknown_tagged_fields, {:?}, version)?;\n}}",
                structure.name
            )?;
        }
        Ok(())
    }

    /// The statements that write a field.
    fn put(&self, field: &Field, flexible: &When, structure: &Structure) -> Result<String> {
        let flexible = if field.legacy { "false".to_owned() } else { flexible_word(flexible) };
        let place = format!("self.{}", names::field(&field.name));
        let nullable = field.nullable.is_some();
        let plain = match &field.r#type {
            Type::Bool => Some("bool"),
            Type::I8 => Some("i8"),
            Type::I16 => Some("i16"),
            Type::U16 => Some("u16"),
            Type::I32 => Some("i32"),
            Type::U32 => Some("u32"),
            Type::I64 => Some("i64"),
            Type::F64 => Some("f64"),
            Type::Uuid => Some("uuid"),
            _ => None,
        };
        if let Some(plain) = plain {
            ensure!(!nullable, "{} cannot be null", field.name);
            return Ok(format!("sink.put_{plain}({place});\n"));
        }
        let whole = if nullable { format!("{place}.as_ref()") } else { format!("Some(&{place})") };
        let slice = if nullable { format!("{place}.as_deref()") } else { format!("Some(&{place})") };
        let statement = match &field.r#type {
            Type::String => format!("put_text(sink, {whole}, {flexible})?;\n"),
            Type::Bytes => format!("put_bytes(sink, {whole}, {flexible})?;\n"),
            Type::Records => format!("put_payload(sink, {whole}, {flexible})?;\n"),
            Type::Structure(_) if nullable && field.tag.is_some() => {
                format!("put_nullable_tagged_structure(sink, {whole}, version)?;\n")
            }
            Type::Structure(_) if nullable => {
                format!("put_nullable_structure(sink, {whole}, version)?;\n")
            }
            Type::Structure(_) => format!("{place}.write(sink, version)?;\n"),
            Type::Array(element) => match **element {
                Type::I8 => format!("put_i8s(sink, {slice}, {flexible})?;\n"),
                Type::I16 => format!("put_i16s(sink, {slice}, {flexible})?;\n"),
                Type::I32 => format!("put_i32s(sink, {slice}, {flexible})?;\n"),
                Type::I64 => format!("put_i64s(sink, {slice}, {flexible})?;\n"),
                Type::Uuid => format!("put_uuids(sink, {slice}, {flexible})?;\n"),
                Type::String => format!("put_texts(sink, {slice}, {flexible})?;\n"),
                Type::Structure(_) => format!("put_structures(sink, {slice}, {flexible}, version)?;\n"),
                _ => anyhow::bail!("no arrays of the type of {}", field.name),
            },
            _ => anyhow::bail!("the type of {} is not handled", field.name),
        };
        let Some(nullable) = field.nullable else { return Ok(statement) };
        let guard = match When::within(nullable, field.versions) {
            When::Always => return Ok(statement),
            null => format!(
                "not_null({place}.is_none() && {}, {:?}, {:?}, version)?;\n",
                null.negated(),
                structure.name,
                field.name
            ),
        };
        ensure!(
            !matches!(field.r#type, Type::Structure(_)),
            "a structure that is nullable in some versions only"
        );
        Ok(format!("{guard}{statement}"))
    }
}

/// The variable that holds a field while the others are read; never one that `decode` uses itself.
fn local(field: &Field) -> String {
    let name = names::field(&field.name);
    match name.as_str() {
        "version" | "reader" | "flexible" | "tag" | "size" => format!("{name}_field"),
        _ => name,
    }
}

fn flexible_word(flexible: &When) -> String {
    match flexible {
        When::If(_) => "flexible".to_owned(),
        fixed => fixed.expression(),
    }
}

/// Whether `word` stands in `text` as a whole word, and not as a field's name.
fn has_word(text: &str, word: &str) -> bool {
    text.replace(&format!("self.{word}"), "")
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|it| it == word)
}

fn versions_text(versions: Versions, message: Versions) -> String {
    if versions.last >= message.last && versions.first != versions.last {
        format!("versions {}+", versions.first)
    } else if versions.first == versions.last {
        format!("version {}", versions.first)
    } else {
        format!("versions {}–{}", versions.first, versions.last)
    }
}

/// The same with a capital first.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A number as Rust writes it: thousands apart.
fn number(text: &str) -> String {
    let digits = text.trim_start_matches('-');
    match text {
        "2147483647" => return "i32::MAX".to_owned(),
        "-2147483648" => return "i32::MIN".to_owned(),
        "9223372036854775807" => return "i64::MAX".to_owned(),
        _ => {}
    }
    if digits.len() < 5 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    if text.starts_with('-') { format!("-{out}") } else { out }
}
