//! Standard output: data in a buffer, tables, bytes as text, and the end of the reader's patience.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde_json::{Map, Value};
use std::io::{self, Write};

/// How data is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The command line makes no sense, which shows only once it is looked at as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// All was done and told; the exit code says what was found.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
pub struct Exit(pub u8);

/// Prints a whole answer.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context(CANNOT_WRITE)
}

/// What goes wrong with standard output.
pub const CANNOT_WRITE: &str = "cannot write to standard output";

/// Whether the reader of our output has gone.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|it| it.downcast_ref::<io::Error>());
    io.is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
}

/// Columns below their heads, two blanks apart.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(heads.iter().map(|it| (*it).to_owned()));
    table.add_rows(rows.iter().cloned());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Lines that end in blanks are a nuisance to scripts.
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Puts `bytes` under `name`: as text where they are UTF-8, else as base64 with a mark beside it.
pub fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let value = match bytes.map(|it| (it, std::str::from_utf8(it))) {
        None => Value::Null,
        Some((_, Ok(text))) => Value::from(text),
        Some((raw, Err(_))) => {
            object.insert(name.to_owned(), Value::from(STANDARD.encode(raw)));
            object.insert(format!("{name}_encoding"), Value::from("base64"));
            return;
        }
    };
    object.insert(name.to_owned(), value);
}

/// `count` things, in words: "1 record", "2 records".
pub fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::{put_bytes, table};
    use serde_json::{Map, Value};

    #[test]
    fn columns_stand_below_their_heads() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME    N\na       1\nlonger\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let mut object = Map::new();
        put_bytes(&mut object, "key", None);
        put_bytes(&mut object, "text", Some("grün".as_bytes()));
        put_bytes(&mut object, "value", Some(&[0xff, 0]));
        assert_eq!(
            Value::Object(object).to_string(),
            r#"{"key":null,"text":"grün","value":"/wA=","value_encoding":"base64"}"#
        );
    }
}
