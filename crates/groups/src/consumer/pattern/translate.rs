//! Reads an expression by RE2/J's grammar (its `Parser`, with the flags of `Pattern.compile`), and writes it
//! in what the `regex` crate means alike, over bytes.

use super::classes::{self, Class, INVALID_RANGE, NOTHING};
use super::{InvalidPattern, TOO_LARGE};
use std::iter::Peekable;
use std::str::Chars;

/// Parentheses within each other; more are refused.
pub(super) const DEPTH_MAX: u32 = 200;

/// Bytes of an expression; a longer one is refused. (Kafka has no bound.)
const EXPRESSION_SIZE_MAX: usize = 8 * 1024;

/// The highest count in `{n,m}`.
const REPEAT_MAX: u32 = 1_000;

const INVALID_ESCAPE: InvalidPattern = InvalidPattern("invalid escape sequence");
const INVALID_NAME: InvalidPattern = InvalidPattern("invalid named capture");
const INVALID_PERL: InvalidPattern = InvalidPattern("invalid or unsupported Perl syntax");
const INVALID_REPEAT: InvalidPattern = InvalidPattern("invalid nested repetition operator");
const INVALID_REPEAT_SIZE: InvalidPattern = InvalidPattern("invalid repeat count");
const MISSING_BRACKET: InvalidPattern = InvalidPattern("missing closing ]");
const MISSING_PAREN: InvalidPattern = InvalidPattern("missing closing )");
const MISSING_REPEAT_ARGUMENT: InvalidPattern = InvalidPattern("missing argument to repetition operator");
const TRAILING_BACKSLASH: InvalidPattern = InvalidPattern("trailing backslash at end of expression");
const DUPLICATE_NAME: InvalidPattern = InvalidPattern("duplicate capture group name");
/// RE2/J's own words for a parenthesis that nothing opened are "regexp/syntax: internal error".
const UNEXPECTED_PAREN: InvalidPattern = InvalidPattern("unexpected )");
const TOO_DEEP: InvalidPattern = InvalidPattern("expression is nested too deep");

pub(super) fn translate(expression: &str) -> Result<String, InvalidPattern> {
    if expression.len() > EXPRESSION_SIZE_MAX {
        return Err(TOO_LARGE);
    }
    let mut parser = Parser {
        rest: expression.chars().peekable(),
        out: String::with_capacity(expression.len() * 2),
        flags: String::new(),
        repeatable: false,
        repeated: false,
        depth: 0,
        names: Vec::new(),
    };
    parser.parse()?;
    Ok(parser.out)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Flags set for what follows and not written yet: a repetition between still belongs to what is before.
    flags: String,
    /// Whether there is something that a repetition could repeat.
    repeatable: bool,
    /// Whether a repetition was just read.
    repeated: bool,
    /// Groups that are open.
    depth: u32,
    names: Vec<String>,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<(), InvalidPattern> {
        while let Some(char) = self.rest.next() {
            let after_repetition = std::mem::take(&mut self.repeated);
            match char {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.write_flags();
                    self.out.push('|');
                    self.repeatable = false;
                }
                '[' => {
                    let class = self.class()?;
                    self.atom(&class);
                }
                '^' | '$' | '.' => self.atom(char.encode_utf8(&mut [0; 4])),
                '*' | '+' | '?' => self.repeat(char.encode_utf8(&mut [0; 4]), after_repetition)?,
                '{' => match counts(self.rest.clone()) {
                    Some((counts, rest)) => {
                        let written = counts.written()?;
                        self.rest = rest;
                        self.repeat(&written, after_repetition)?;
                    }
                    None => {
                        self.literal('{');
                        // A brace that stands for itself counts as a repetition in RE2/J when one follows.
                        self.repeated = true;
                    }
                },
                '\\' => self.escape()?,
                _ => self.literal(char),
            }
        }
        self.write_flags();
        if self.depth > 0 { Err(MISSING_PAREN) } else { Ok(()) }
    }

    fn write_flags(&mut self) {
        self.out.push_str(&std::mem::take(&mut self.flags));
    }

    fn atom(&mut self, written: &str) {
        self.write_flags();
        self.out.push_str(written);
        self.repeatable = true;
    }

    fn literal(&mut self, char: char) {
        match char {
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => self.atom(char.encode_utf8(&mut [0; 4])),
            _ if char.is_ascii() => self.atom(&format!("\\x{:02X}", u32::from(char))),
            _ => self.atom(NOTHING),
        }
    }

    fn repeat(&mut self, operator: &str, after_repetition: bool) -> Result<(), InvalidPattern> {
        if !self.repeatable {
            return Err(MISSING_REPEAT_ARGUMENT);
        }
        let lazy = self.rest.next_if_eq(&'?').is_some();
        if after_repetition {
            return Err(INVALID_REPEAT);
        }
        self.repeated = true;
        self.out.push_str(operator);
        self.out.push_str(if lazy { "?" } else { "" });
        Ok(())
    }

    /// After `(`: a group, or flags for the rest of the one that is open.
    fn open(&mut self) -> Result<(), InvalidPattern> {
        let mut flags = String::new();
        if self.rest.next_if_eq(&'?').is_some() && !self.name()? {
            match self.group_flags(&mut flags)? {
                ')' if flags.is_empty() => return Ok(()),
                ')' => {
                    self.flags.push_str(&format!("(?{flags})"));
                    return Ok(());
                }
                _ => {}
            }
        }
        if self.depth == DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        self.depth += 1;
        self.write_flags();
        self.out.push_str(&format!("(?{flags}:"));
        self.repeatable = false;
        Ok(())
    }

    fn close(&mut self) -> Result<(), InvalidPattern> {
        self.depth = self.depth.checked_sub(1).ok_or(UNEXPECTED_PAREN)?;
        // Flags end with the group.
        self.flags.clear();
        self.out.push(')');
        self.repeatable = true;
        Ok(())
    }

    /// After `(?`: reads `P<name>` or `<name>`, if there is one.
    fn name(&mut self) -> Result<bool, InvalidPattern> {
        let mut rest = self.rest.clone();
        rest.next_if_eq(&'P');
        if rest.next_if_eq(&'<').is_none() {
            return Ok(false);
        }
        let mut name = String::new();
        loop {
            match rest.next() {
                Some('>') if !name.is_empty() => break,
                Some(char) if char.is_ascii_alphanumeric() || char == '_' => name.push(char),
                _ => return Err(INVALID_NAME),
            }
        }
        if self.names.contains(&name) {
            return Err(DUPLICATE_NAME);
        }
        self.names.push(name);
        self.rest = rest;
        Ok(true)
    }

    /// After `(?`: reads flags up to `)` or `:`, which is returned.
    fn group_flags(&mut self, flags: &mut String) -> Result<char, InvalidPattern> {
        let mut seen = false;
        let mut negated = false;
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                    // The same flag twice is an error to the `regex` crate, and nothing to RE2/J: the last counts.
                    flags.retain(|before| before != flag);
                    flags.push(flag);
                    seen = true;
                }
                Some('-') if !negated => {
                    negated = true;
                    seen = false;
                    flags.push('-');
                }
                Some(end @ (':' | ')')) if !negated || seen => return Ok(end),
                _ => return Err(INVALID_PERL),
            }
        }
    }

    /// After `\` outside of a class.
    fn escape(&mut self) -> Result<(), InvalidPattern> {
        match self.rest.peek().copied() {
            None => return Err(TRAILING_BACKSLASH),
            Some('A') => self.atom("\\A"),
            Some('b') => self.atom("\\b"),
            Some('B') => self.atom("\\B"),
            Some('z') => self.atom("\\z"),
            Some('Q') => {
                self.rest.next();
                return self.quoted();
            }
            Some(letter @ ('p' | 'P')) => {
                self.rest.next();
                let class = self.unicode(letter)?.written(false);
                self.atom(&class);
                return Ok(());
            }
            Some(letter) if classes::perl(letter).is_some() => {
                let class = classes::perl(letter).unwrap_or_default().written(false);
                self.atom(&class);
            }
            Some(_) => {
                let char = self.escaped()?;
                self.literal(char);
                return Ok(());
            }
        }
        self.rest.next();
        Ok(())
    }

    /// After `\Q`: all is literal up to `\E` or the end.
    fn quoted(&mut self) -> Result<(), InvalidPattern> {
        while let Some(char) = self.rest.next() {
            if char == '\\' && self.rest.next_if_eq(&'E').is_some() {
                break;
            }
            self.literal(char);
        }
        Ok(())
    }

    /// After `\`: the one character that is meant.
    fn escaped(&mut self) -> Result<char, InvalidPattern> {
        let char = self.rest.next().ok_or(TRAILING_BACKSLASH)?;
        let number = match char {
            // A single digit other than 0 would refer to a group, which RE2 cannot.
            '1'..='7' if !matches!(self.rest.peek(), Some('0'..='7')) => return Err(INVALID_ESCAPE),
            '0'..='7' => {
                let mut number = char.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.peek().and_then(|char| char.to_digit(8)) else { break };
                    self.rest.next();
                    number = number * 8 + digit;
                }
                number
            }
            'x' => self.hexadecimal()?,
            'a' => 0x07,
            'f' => 0x0C,
            'n' => 0x0A,
            'r' => 0x0D,
            't' => 0x09,
            'v' => 0x0B,
            _ if char.is_ascii_alphanumeric() => return Err(INVALID_ESCAPE),
            _ => return Ok(char),
        };
        // A surrogate is no character, and matches none.
        Ok(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hexadecimal(&mut self) -> Result<u32, InvalidPattern> {
        let mut number = 0;
        if self.rest.next_if_eq(&'{').is_none() {
            for _ in 0..2 {
                let digit = self.rest.next().and_then(|char| char.to_digit(16)).ok_or(INVALID_ESCAPE)?;
                number = number * 16 + digit;
            }
            return Ok(number);
        }
        let mut empty = true;
        while self.rest.next_if_eq(&'}').is_none() {
            let digit = self.rest.next().and_then(|char| char.to_digit(16)).ok_or(INVALID_ESCAPE)?;
            number = number * 16 + digit;
            empty = false;
            if number > u32::from(char::MAX) {
                return Err(INVALID_ESCAPE);
            }
        }
        if empty { Err(INVALID_ESCAPE) } else { Ok(number) }
    }

    /// After `\p` or `\P`: a category or script.
    fn unicode(&mut self, letter: char) -> Result<Class, InvalidPattern> {
        let mut name = String::new();
        match self.rest.next().ok_or(INVALID_RANGE)? {
            '{' => loop {
                match self.rest.next().ok_or(INVALID_RANGE)? {
                    '}' => break,
                    char => name.push(char),
                }
            },
            char => name.push(char),
        }
        let (known, hat) = match name.strip_prefix('^') {
            Some(name) => (classes::unicode(name), true),
            None => (classes::unicode(&name), false),
        };
        Ok(known.ok_or(INVALID_RANGE)?.not_if(hat != (letter == 'P')))
    }

    /// After `[`.
    fn class(&mut self) -> Result<String, InvalidPattern> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut class = Class::default();
        let mut first = true;
        loop {
            match self.rest.peek().copied().ok_or(MISSING_BRACKET)? {
                ']' if !first => {
                    self.rest.next();
                    return Ok(class.written(negated));
                }
                '[' => class = class.with(self.posix_or_range()?),
                '\\' => class = class.with(self.class_escape()?),
                _ => class = class.with(self.range()?),
            }
            first = false;
        }
    }

    /// Within a class, at `[`.
    fn posix_or_range(&mut self) -> Result<Class, InvalidPattern> {
        let mut rest = self.rest.clone();
        rest.next();
        if rest.next_if_eq(&':').is_none() {
            return self.range();
        }
        if rest.peek() == Some(&']') {
            return Err(INVALID_RANGE);
        }
        let mut name = String::new();
        loop {
            match rest.next() {
                None => return self.range(),
                Some(':') if rest.next_if_eq(&']').is_some() => break,
                Some(char) => name.push(char),
            }
        }
        let (known, negated) = match name.strip_prefix('^') {
            Some(name) => (classes::posix(name), true),
            None => (classes::posix(&name), false),
        };
        self.rest = rest;
        Ok(known.ok_or(INVALID_RANGE)?.not_if(negated))
    }

    /// Within a class, at `\`.
    fn class_escape(&mut self) -> Result<Class, InvalidPattern> {
        let mut rest = self.rest.clone();
        rest.next();
        match rest.next() {
            Some(letter @ ('p' | 'P')) => {
                self.rest = rest;
                self.unicode(letter)
            }
            Some(letter) if classes::perl(letter).is_some() => {
                self.rest = rest;
                Ok(classes::perl(letter).unwrap_or_default())
            }
            _ => self.range(),
        }
    }

    /// Within a class: one character, or two with `-` between.
    fn range(&mut self) -> Result<Class, InvalidPattern> {
        let first = self.class_char()?;
        let mut last = first;
        let mut rest = self.rest.clone();
        if rest.next_if_eq(&'-').is_some() && rest.peek() != Some(&']') && rest.peek().is_some() {
            self.rest = rest;
            last = self.class_char()?;
            if last < first {
                return Err(INVALID_RANGE);
            }
        }
        Ok(Class::range(first, last))
    }

    fn class_char(&mut self) -> Result<char, InvalidPattern> {
        match self.rest.next().ok_or(MISSING_BRACKET)? {
            '\\' => self.escaped(),
            char => Ok(char),
        }
    }
}

/// `{n}`, `{n,}` or `{n,m}`.
struct Counts {
    least: u32,
    most: Option<u32>,
}

impl Counts {
    fn written(&self) -> Result<String, InvalidPattern> {
        let Counts { least, most } = *self;
        if least > REPEAT_MAX || most.is_some_and(|most| most > REPEAT_MAX || most < least) {
            return Err(INVALID_REPEAT_SIZE);
        }
        Ok(match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        })
    }
}

/// What follows `{`, if that is a count; otherwise the brace is a character as others.
fn counts(mut rest: Peekable<Chars<'_>>) -> Option<(Counts, Peekable<Chars<'_>>)> {
    let least = number(&mut rest)?;
    let most = match rest.next()? {
        '}' => Some(least),
        ',' if rest.next_if_eq(&'}').is_some() => None,
        ',' => {
            let most = number(&mut rest)?;
            rest.next_if_eq(&'}')?;
            Some(most)
        }
        _ => return None,
    };
    Some((Counts { least, most }, rest))
}

fn number(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut number = rest.next()?.to_digit(10)?;
    if number == 0 && rest.peek().is_some_and(char::is_ascii_digit) {
        return None;
    }
    while let Some(digit) = rest.peek().and_then(|char| char.to_digit(10)) {
        rest.next();
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(number)
}
