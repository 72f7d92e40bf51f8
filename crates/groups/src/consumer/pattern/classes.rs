//! Sets of ASCII characters, and those that RE2 has names for.

use super::InvalidPattern;

/// What RE2/J says of a class that it does not know, and of a range that ends before it begins.
pub(super) const INVALID_RANGE: InvalidPattern = InvalidPattern("invalid character class range");

/// A set of ASCII characters: bit `n` stands for the character `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class(u128);

impl Class {
    pub(super) fn range(first: char, last: char) -> Class {
        let ascii = (0..128u32).filter(|at| (first as u32..=last as u32).contains(at));
        Class(ascii.fold(0, |bits, at| bits | 1 << at))
    }

    /// Ranges as in `azAZ__`, two characters each.
    fn of(ranges: &str) -> Class {
        let mut chars = ranges.chars();
        let mut class = Class::default();
        while let (Some(first), Some(last)) = (chars.next(), chars.next()) {
            class = class.with(Class::range(first, last));
        }
        class
    }

    pub(super) fn with(self, other: Class) -> Class {
        Class(self.0 | other.0)
    }

    pub(super) fn not(self) -> Class {
        Class(!self.0)
    }

    pub(super) fn not_if(self, negated: bool) -> Class {
        if negated { self.not() } else { self }
    }

    /// As the `regex` crate writes it. `negated` stands apart, since it comes after the folding of case.
    pub(super) fn written(self, negated: bool) -> String {
        match (self.0, negated) {
            (0, false) => return NOTHING.to_owned(),
            (0, true) => return "[\\x00-\\xFF]".to_owned(),
            _ => {}
        }
        let mut out = String::from(if negated { "[^" } else { "[" });
        let has = |at: u32| at < 128 && self.0 >> at & 1 == 1;
        let mut at = 0;
        while at < 128 {
            let first = at;
            while has(at) {
                at += 1;
            }
            if first < at {
                out.push_str(&format!("\\x{first:02X}-\\x{:02X}", at - 1));
            }
            at += 1;
        }
        out + "]"
    }
}

/// What no name matches.
pub(super) const NOTHING: &str = "[^\\x00-\\xFF]";

/// `\d`, `\s`, `\w`, given without the backslash, and their opposites.
pub(super) fn perl(letter: char) -> Option<Class> {
    let class = match letter.to_ascii_lowercase() {
        'd' => Class::of("09"),
        's' => Class::of("\t\n\u{c}\r  "),
        'w' => Class::of("09AZaz__"),
        _ => return None,
    };
    Some(class.not_if(letter.is_ascii_uppercase()))
}

/// The names in `[[:alpha:]]`.
pub(super) fn posix(name: &str) -> Option<Class> {
    Some(Class::of(match name {
        "alnum" => "09AZaz",
        "alpha" => "AZaz",
        "ascii" => "\0\u{7f}",
        "blank" => "\t\t  ",
        "cntrl" => "\0\u{1f}\u{7f}\u{7f}",
        "digit" => "09",
        "graph" => "!~",
        "lower" => "az",
        "print" => " ~",
        "punct" => "!/:@[`{~",
        "space" => "\t\r  ",
        "upper" => "AZ",
        "word" => "09AZaz__",
        "xdigit" => "09AFaf",
        _ => return None,
    }))
}

/// What Unicode's general categories and scripts have in ASCII: `\pL`, `\p{Greek}`.
pub(super) fn unicode(name: &str) -> Option<Class> {
    Some(Class::of(match name {
        "Any" => "\0\u{7f}",
        "L" | "Latin" => "AZaz",
        "Lu" => "AZ",
        "Ll" => "az",
        "N" | "Nd" => "09",
        "P" => "!#%*,/:;?@[]__{{}}",
        "Pc" => "__",
        "Pd" => "--",
        "Po" => "!#%'**,,./:;?@\\\\",
        "Ps" => "(([[{{",
        "Pe" => "))]]}}",
        "S" => "$$++<>^^``||~~",
        "Sc" => "$$",
        "Sk" => "^^``",
        "Sm" => "++<>||~~",
        "Z" | "Zs" => "  ",
        "C" | "Cc" => "\0\u{1f}\u{7f}\u{7f}",
        "Common" => "\0@[`{\u{7f}",
        _ if CATEGORIES_BEYOND.contains(&name) || SCRIPTS_BEYOND.contains(&name) => "",
        _ => return None,
    }))
}

/// Categories that RE2/J knows and that have nothing in ASCII.
const CATEGORIES_BEYOND: [&str; 17] =
    ["Cf", "Co", "Cs", "Lm", "Lo", "Lt", "M", "Mc", "Me", "Mn", "Nl", "No", "Pf", "Pi", "So", "Zl", "Zp"];

/// Scripts that RE2/J knows and that have nothing in ASCII (`UnicodeTables.SCRIPTS` of RE2/J 1.8).
#[rustfmt::skip]
const SCRIPTS_BEYOND: [&str; 94] = [
    "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Batak", "Bengali", "Bopomofo", "Brahmi",
    "Braille", "Buginese", "Buhid", "Canadian_Aboriginal", "Carian", "Cham", "Cherokee", "Coptic",
    "Cuneiform", "Cypriot", "Cyrillic", "Deseret", "Devanagari", "Egyptian_Hieroglyphs", "Ethiopic",
    "Georgian", "Glagolitic", "Gothic", "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hanunoo",
    "Hebrew", "Hiragana", "Imperial_Aramaic", "Inherited", "Inscriptional_Pahlavi",
    "Inscriptional_Parthian", "Javanese", "Kaithi", "Kannada", "Katakana", "Kayah_Li", "Kharoshthi",
    "Khmer", "Lao", "Lepcha", "Limbu", "Linear_B", "Lisu", "Lycian", "Lydian", "Malayalam", "Mandaic",
    "Meetei_Mayek", "Mongolian", "Myanmar", "New_Tai_Lue", "Nko", "Ogham", "Ol_Chiki", "Old_Italic",
    "Old_Persian", "Old_South_Arabian", "Old_Turkic", "Oriya", "Osmanya", "Phags_Pa", "Phoenician",
    "Rejang", "Runic", "Samaritan", "Saurashtra", "Shavian", "Sinhala", "Sundanese", "Syloti_Nagri",
    "Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Tamil", "Telugu", "Thaana", "Thai",
    "Tibetan", "Tifinagh", "Ugaritic", "Unknown", "Vai", "Yi",
];
