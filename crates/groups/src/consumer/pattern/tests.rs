//! Expressions against RE2/J's answers; `testdata/README.md` says how they were made.

use super::*;

const RE2J: &str = include_str!("../../../testdata/patterns.txt");

#[test]
fn expressions_match_what_re2j_matches_and_are_refused_as_it_refuses_them() {
    let (topics, expressions) = RE2J.split_once('\n').unwrap();
    let topics: Vec<&str> = topics.split(' ').collect();
    let mut wrong = Vec::new();
    for line in expressions.lines() {
        let (expression, expected) = line.rsplit_once('\t').unwrap();
        let found = match TopicPattern::compile(expression) {
            Ok(pattern) => {
                topics.iter().map(|topic| if pattern.matches(topic) { '+' } else { '-' }).collect()
            }
            Err(reason) => format!("!{reason}"),
        };
        let expected = expected.replace("regexp/syntax: internal error", "unexpected )");
        if found != expected {
            wrong.push(format!("{expression}\n  RE2/J {expected}\n  Ottla {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_would_take_too_much_is_refused() {
    let refusal = |expression: &str| TopicPattern::compile(expression).map(|_| ()).unwrap_err().to_string();
    assert_eq!(refusal(&"a".repeat(8 * 1024 + 1)), "expression is too large");
    assert_eq!(refusal("((a{1000}){1000}){1000}"), "expression is too large");
    assert_eq!(refusal(&"(".repeat(8 * 1024)), "expression is nested too deep");
    assert_eq!(refusal(&"[[:".repeat(2_700)), "missing closing ]");
    let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
    assert!(TopicPattern::compile(&deep).unwrap().matches("a"));
}

#[test]
fn topics_are_resolved() {
    let topics = ["orders.eu", "orders.us", "payments"].map(Text::from);
    let pattern = TopicPattern::compile("orders\\..*").unwrap();
    assert_eq!(pattern.matching(&topics), topics[..2].iter().cloned().collect());
}
