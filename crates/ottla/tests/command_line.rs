//! The command line as a person or a script meets it: the built binary, on a folder and a port of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// `ottla` itself.
const OTTLA: &str = env!("CARGO_BIN_EXE_ottla");

/// A node that runs until it is dropped, which kills it.
struct Node {
    process: Child,
    address: SocketAddr,
    /// Kept, so that the node can go on writing to it.
    _stderr: BufReader<ChildStderr>,
}

impl Node {
    /// Starts a node on `data`, and waits for its line that says where it listens.
    fn start(data: &Path, listen: &str) -> Node {
        let mut process = Command::new(OTTLA)
            .args(["serve", "--listen", listen, "--set", "group.initial.rebalance.delay.ms=0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ottla starts");
        let mut stderr = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            let size = stderr.read_line(&mut said).expect("standard error can be read");
            assert!(size > 0, "the node ended at its start: {said}");
            let line = &said[before..];
            if let Some((_, rest)) = line.split_once("serves Kafka clients on ") {
                let address = rest.split([',', ' ']).next().unwrap_or_default();
                break address.parse().expect("an address");
            }
        };
        Node { process, address, _stderr: stderr }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.process.kill().expect("it still runs");
        self.process.wait().expect("it can be waited for");
    }

    /// A command against this node.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(OTTLA);
        command.args(args).env("OTTLA_BOOTSTRAP", self.address.to_string()).env_remove("OTTLA_LOG");
        command
    }

    /// Runs `ottla` with `args` on `input`.
    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut process = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ottla starts");
        let mut stdin = process.stdin.take().expect("it is piped");
        // A command that does not read its input may have ended by now.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        process.wait_with_output().expect("it ends")
    }

    /// Runs `ottla` with the words of `line` on `input`: it must succeed, and its output is returned.
    fn ok(&self, line: &str, input: &str) -> String {
        let output = self.run(&line.split_whitespace().collect::<Vec<_>>(), input);
        assert!(output.status.success(), "ottla {line}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs `ottla` with the words of `line`: it must end with `code`, say nothing to standard output, and
    /// each of `words` to standard error.
    fn fails(&self, line: &str, code: i32, words: &[&str]) {
        let output = self.run(&line.split_whitespace().collect::<Vec<_>>(), "");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "ottla {line}: {stderr}");
        assert_eq!(text(&output.stdout), "", "ottla {line}");
        for word in words {
            assert!(stderr.contains(word), "ottla {line}: '{word}' is missing in: {stderr}");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of `text`, in the order of the alphabet: partitions come in any order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_five_minutes_of_the_readme_and_a_kill_in_the_middle() {
    let data = tempfile::tempdir().unwrap();
    let mut node = Node::start(data.path(), "127.0.0.1:0");

    assert_eq!(node.ok("topic list", ""), "");
    node.ok("topic create greetings --partitions 3", "");
    node.ok("produce greetings", "hello\n");
    node.ok("produce greetings --key alice", "hello, Alice\n");
    let read = node.ok("consume greetings --from beginning --stop-at-end", "");
    assert_eq!(sorted(&read), ["hello", "hello, Alice"]);
    let list = node.ok("topic list", "");
    assert_eq!(list, "TOPIC      PARTITIONS  REPLICATION FACTOR\ngreetings  3           1\n");
    let described = node.ok("topic describe greetings", "");
    assert!(described.contains("topic greetings\n"), "{described}");
    assert!(described.contains("PARTITION  LEADER  REPLICAS  ISR  BEGIN  END\n"), "{described}");

    // What was acked survives.
    let address = node.address.to_string();
    node.kill();
    node.fails("topic list", 1, &["cannot connect", &address, "ottla serve", "--bootstrap"]);
    // Another port: somebody may have taken that one.
    let node = Node::start(data.path(), "127.0.0.1:0");
    assert_eq!(
        sorted(&node.ok("consume greetings --from beginning --stop-at-end", "")),
        ["hello", "hello, Alice"]
    );

    node.ok("topic delete greetings", "");
    assert_eq!(node.ok("topic list", ""), "");
}

#[test]
fn records_keep_what_they_were_given() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path(), "127.0.0.1:0");
    node.ok("topic create all --partitions 1 --config retention.ms=100000", "");

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let line = format!("produce all --compression {codec} --acks 1 --header codec={codec}");
        node.ok(&line, &format!("{codec}\n"));
    }
    node.ok("produce all --key-separator : --null-value NONE", "a:1\r\nb:NONE\nc:2:3\n");
    let read = node.ok("consume all --from beginning --stop-at-end --keys --headers", "");
    assert_eq!(
        read,
        "codec=none\tnull\tnone\ncodec=gzip\tnull\tgzip\ncodec=snappy\tnull\tsnappy\ncodec=lz4\tnull\tlz4\n\
         codec=zstd\tnull\tzstd\n\ta\t1\n\tb\tnull\n\tc\t2:3\n"
    );
    assert_eq!(node.ok("consume all --partition 0 --from 4 --count 2", ""), "zstd\n1\n");
    assert_eq!(node.ok("consume all --from 2999-01-01T00:00:00Z --stop-at-end", ""), "");

    let lines = node.ok("consume all --from 1970-01-01T00:00:00Z --count 6 --output json", "");
    let records: Vec<serde_json::Value> = lines.lines().map(json).collect();
    assert_eq!(records.len(), 6);
    assert_eq!(records[1]["value"], "gzip");
    assert_eq!(records[1]["headers"][0]["value"], "gzip");
    assert_eq!(records[5]["key"], "a");
    assert_eq!(
        (&records[5]["topic"], &records[5]["partition"], &records[5]["offset"]),
        (&"all".into(), &0.into(), &5.into())
    );

    let file = data.path().join("lines");
    std::fs::write(&file, [b"\xff\xfe\n".as_slice(), b"last"].concat()).unwrap();
    node.ok(&format!("produce all --file {}", file.display()), "");
    let record = json(node.ok("consume all --partition 0 --from 8 --count 1 --output json", "").trim_end());
    assert_eq!((&record["value"], &record["value_encoding"]), (&"//4=".into(), &"base64".into()));

    let described = json(&node.ok("topic describe all --output json", ""));
    assert_eq!(described[0]["configs"]["retention.ms"], "100000");
    assert_eq!(described[0]["partitions"][0]["end_offset"], 10);
}

#[test]
fn a_group_goes_on_where_it_left_off() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path(), "127.0.0.1:0");
    node.ok("topic create work --partitions 3", "");
    node.ok("produce work --key-separator =", "a=1\nb=2\nc=3\nd=4\n");
    let group = "consume work --group workers --from beginning --stop-at-end";
    // Of what was fetched, only what was shown is committed.
    let first = node.ok(&format!("{group} --count 3"), "");
    let rest = node.ok(group, "");
    assert_eq!((first.lines().count(), rest.lines().count()), (3, 1));
    assert_eq!(sorted(&(first + &rest)), ["1", "2", "3", "4"]);
    assert_eq!(node.ok(group, ""), "");

    // A member that is interrupted commits what it has shown, and leaves.
    let mut member = node
        // From the beginning of a partition that had no record so far: the record may be there before the member.
        .command(&["consume", "work", "--group", "workers", "--from", "beginning"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(member.stdout.take().unwrap());
    node.ok("produce work", "5\n");
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    assert_eq!(line, "5\n");
    let killed = Command::new("kill").args(["-INT", &member.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(member.wait().unwrap().success());
    assert_eq!(node.ok(group, ""), "");
}

#[test]
fn failures_say_what_happened_and_scripts_see_them() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path(), "127.0.0.1:0");
    node.ok("topic create there --partitions 2", "");
    node.fails("topic create there", 1, &["there", "TOPIC_ALREADY_EXISTS"]);
    node.ok("topic create there --if-not-exists", "");
    node.fails("topic create new --config nonsense=1", 1, &["new", "nonsense"]);
    node.fails(
        "topic create new --config retention.sm=1",
        1,
        &["retention.sm", "; did you mean retention.ms?"],
    );
    node.fails("topic create new --config retention.ms=1d", 1, &["Invalid value 1d"]);
    node.fails("topic describe nosuch", 1, &["no topic 'nosuch'", "ottla topic create nosuch"]);
    node.fails("topic delete nosuch", 1, &["no topic 'nosuch'", "1 of 1"]);
    node.fails("consume nosuch", 1, &["no topic 'nosuch'"]);
    node.fails("consume there --partition 9", 1, &["no partition 9"]);
    node.fails("consume there --partition 0 --from 7", 1, &["there-0", "no offset 7"]);
    node.fails("consume there --from 7", 2, &["--partition"]);
    node.fails("consume there --group g --from 2026-01-01T00:00:00Z", 2, &["--group"]);
    node.fails("consume there --from yesterday", 2, &["yesterday"]);
    node.fails("topic list --bootstrap nonsense", 1, &["nonsense", "host:port"]);
    let output = node.run(&["produce", "there", "--key-separator", ":"], "a:1\nb\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 2: no key separator ':'"), "{}", text(&output.stderr));
    assert_eq!(node.ok("consume there --from beginning --stop-at-end", ""), "1\n");
    let output = node.run(&["produce", "there", "--partition", "5"], "x\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no partition 5"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path(), "127.0.0.1:0");
    let lines: String = (0..200_000).map(|it| format!("{it}\n")).collect();
    node.ok("topic create many --partitions 1", "");
    node.ok("produce many", &lines);
    let mut consumer = node
        .command(&["consume", "many", "--from", "beginning"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 4];
    let mut stdout = consumer.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"0\n1\n");
    drop(stdout);
    let output = consumer.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let read = node.ok("consume many --from beginning --stop-at-end", "");
    assert!(read == lines, "all lines come back in their order");
}

#[test]
fn nothing_waits_for_a_broker_that_is_not_there() {
    // No system hands that port out.
    let output = Command::new(OTTLA).args(["topic", "list", "--bootstrap", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot connect"), "{}", text(&output.stderr));
}
