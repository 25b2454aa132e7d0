//! Python literals, as `str()` writes them: the form of Ultralytics' metadata.

use std::collections::VecDeque;

/// A Python literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// `32`
    Int(i64),
    /// `0.5`
    Float(f64),
    /// `'cow'` or `"cow"`
    Str(String),
    /// `[…]` or `(…)`
    List(Vec<Literal>),
    /// `{key: value, …}` in the order written
    Dict(Vec<(Literal, Literal)>),
}

/// How deep lists may nest; metadata needs two.
const MAX_DEPTH: usize = 32;

impl Literal {
    /// Parses a literal; the error says what was expected and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text.chars().collect(), read: 0 };
        let literal = reader.literal(0)?;
        reader.skip_space();
        match reader.rest.front() {
            None => Ok(literal),
            Some(c) => Err(reader.fault(&format!("nothing more, found {c:?}"))),
        }
    }

    /// The value as an integer.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a string key in a dictionary.
    pub(crate) fn get(&self, key: &str) -> Option<&Literal> {
        match self {
            Self::Dict(pairs) => {
                pairs.iter().find(|(k, _)| matches!(k, Literal::Str(k) if k == key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

struct Reader {
    rest: VecDeque<char>,
    read: usize,
}

impl Reader {
    fn fault(&self, expected: &str) -> String {
        format!("expected {expected} at character {}", self.read + 1)
    }

    fn next(&mut self) -> Option<char> {
        self.read += 1;
        self.rest.pop_front()
    }

    fn skip_space(&mut self) {
        while self.rest.front().is_some_and(|c| c.is_whitespace()) {
            self.next();
        }
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MAX_DEPTH {
            return Err(self.fault("fewer nested brackets"));
        }
        self.skip_space();
        match self.rest.front() {
            Some('\'' | '"') => self.string().map(Literal::Str),
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some('{') => self.dict(depth),
            Some(_) => self.word(),
            None => Err(self.fault("a value")),
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Result<Literal, String> {
        self.next();
        let mut values = Vec::new();
        while !self.ends_with(close)? {
            values.push(self.literal(depth + 1)?);
            self.separator(close)?;
        }
        Ok(Literal::List(values))
    }

    fn dict(&mut self, depth: usize) -> Result<Literal, String> {
        self.next();
        let mut pairs = Vec::new();
        while !self.ends_with('}')? {
            let key = self.literal(depth + 1)?;
            self.skip_space();
            if self.next() != Some(':') {
                return Err(self.fault("a colon after the key"));
            }
            pairs.push((key, self.literal(depth + 1)?));
            self.separator('}')?;
        }
        Ok(Literal::Dict(pairs))
    }

    /// Whether the closing bracket comes next; it is taken then.
    fn ends_with(&mut self, close: char) -> Result<bool, String> {
        self.skip_space();
        match self.rest.front() {
            Some(c) if *c == close => {
                self.next();
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err(self.fault(&format!("{close:?}"))),
        }
    }

    fn separator(&mut self, close: char) -> Result<(), String> {
        self.skip_space();
        match self.rest.front() {
            Some(',') => {
                self.next();
                Ok(())
            }
            Some(c) if *c == close => Ok(()),
            _ => Err(self.fault(&format!("a comma or {close:?}"))),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.fault("a closing quote")),
                c if c == quote => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('x') => self.code_point(2),
            Some('u') => self.code_point(4),
            Some('U') => self.code_point(8),
            Some(c @ ('\\' | '\'' | '"')) => Ok(c),
            _ => Err(self.fault("an escape that Python's repr writes")),
        }
    }

    fn code_point(&mut self, digits: usize) -> Result<char, String> {
        let text: String = (0..digits).filter_map(|_| self.next()).collect();
        u32::from_str_radix(&text, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(|| self.fault(&format!("{digits} hexadecimal digits of a character")))
    }

    fn word(&mut self) -> Result<Literal, String> {
        let mut word = String::new();
        while let Some(&c) = self.rest.front() {
            if !(c.is_alphanumeric() || matches!(c, '.' | '+' | '-' | '_')) {
                break;
            }
            word.push(c);
            self.next();
        }
        match word.as_str() {
            "None" => return Ok(Literal::None),
            "True" => return Ok(Literal::Bool(true)),
            "False" => return Ok(Literal::Bool(false)),
            _ => {}
        }
        if let Ok(value) = word.parse() {
            return Ok(Literal::Int(value));
        }
        match word.parse::<f64>() {
            Ok(value) if word.contains(|c: char| c.is_ascii_digit()) => Ok(Literal::Float(value)),
            _ => Err(self.fault(&format!("a Python literal before this, found {word:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Literal::{self, *};

    #[test]
    fn literals_as_python_writes_them() {
        let cases = [
            ("None", None),
            ("True", Bool(true)),
            (" -7 ", Int(-7)),
            ("1e-3", Float(1e-3)),
            ("'it\\'s'", Str("it's".into())),
            ("\"it's\"", Str("it's".into())),
            ("'caf\\xe9 \\u4e2d\\U0001f404'", Str("café 中🐄".into())),
            ("[]", List(vec![])),
            ("[640, 480]", List(vec![Int(640), Int(480)])),
            ("(1,)", List(vec![Int(1)])),
            (
                "{0: 'cow', 1: \"bull\"}",
                Dict(vec![(Int(0), Str("cow".into())), (Int(1), Str("bull".into()))]),
            ),
            (
                "{'batch': 1, 'nms': False, 'x': [None]}",
                Dict(vec![
                    (Str("batch".into()), Int(1)),
                    (Str("nms".into()), Bool(false)),
                    (Str("x".into()), List(vec![None])),
                ]),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Literal::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_literal_is_an_error_not_a_panic() {
        let deep = "[".repeat(100_000);
        for text in
            ["", "[1", "{1}", "{1:", "'a", "'\\q'", "'\\uD800'", "nan", "import os", "[1 2]", "1 2", &deep]
        {
            assert!(Literal::parse(text).is_err(), "{text:.20}");
        }
    }
}
