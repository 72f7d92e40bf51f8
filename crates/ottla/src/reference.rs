//! `docs/reference/cli.md` is what `--help` says, written down.

use crate::Cli;
use clap::{Command, CommandFactory as _};
use std::fmt::Write as _;

/// The page, from the repository's root.
const PAGE: &str = "docs/reference/cli.md";

/// With this variable set, the page is written instead of compared.
const WRITE: &str = "OTTLA_WRITE_REFERENCE";

/// As wide as the page shows it, whatever the terminal of the test.
const WIDTH: usize = 100;

#[test]
fn the_reference_says_what_the_help_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "{PAGE} is old; anew: {WRITE}=1 cargo test -p ottla reference");
}

fn page() -> String {
    let mut page = format!(
        "# Command line\n\n\
         <!-- Generated from the help of the commands; do not edit. Anew: {WRITE}=1 cargo test -p ottla reference -->\n\n\
         `ottla COMMAND --help` shows the same. `-b HOST:PORT`, or `OTTLA_BOOTSTRAP` in the environment, says\n\
         which cluster is meant: any Kafka cluster will do. `OTTLA_LOG=debug` shows what goes on inside.\n\n\
         Data goes to standard output, everything else to standard error, so that pipes stay clean. The exit\n\
         code is 0 when all was done, 1 when something failed, and 2 when the command line makes no sense;\n\
         `ottla log check` has two more.\n\
         Ctrl-C ends a consumer as an ordinary end does: what it has shown is committed, and it leaves its group.\n"
    );
    let mut ottla = Cli::command().term_width(WIDTH);
    ottla.build();
    for command in ottla.get_subcommands().filter(|it| it.get_name() != "help") {
        describe(command, &mut page);
    }
    page.push_str(AFTER);
    page
}

/// `command` and those below it.
fn describe(command: &Command, page: &mut String) {
    let children: Vec<&Command> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    if children.is_empty() {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        let help = command.clone().term_width(WIDTH).render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    }
    children.iter().for_each(|it| describe(it, page));
}

/// What the help has no room for.
const AFTER: &str = r#"
## Records as JSON

`ottla consume --output json` prints one object a line:

```json
{"topic":"greetings","partition":0,"offset":1,"timestamp":1767182400000,"key":"alice","value":"hello, Alice","headers":[{"key":"lang","value":"en"}]}
```

`timestamp` is in milliseconds since 1970. `key`, `value` and the value of a header are `null` where the
record has none. Bytes that are not UTF-8 are in base64, with a field beside them that says so:
`"value":"//4=","value_encoding":"base64"` (likewise `key_encoding`).
"#;
