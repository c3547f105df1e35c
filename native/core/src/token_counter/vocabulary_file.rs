//! Reads the vocabulary and the merges of a `tokenizer.json`, which are nearly all of its
//! megabytes. What else it has is small, and left to the caller.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// What a `tokenizer.json` has.
#[derive(Debug)]
pub struct VocabularyFile {
    /// The file as JSON, without `model.vocab` and `model.merges`.
    pub rest: String,
    /// The tokens in UTF-8, one behind the other, as the file spells them.
    pub texts: Vec<u8>,
    pub lengths: Vec<u32>,
    pub ids: Vec<u32>,
    /// By rank: the two tokens that merge, and the one that they make.
    pub left: Vec<u32>,
    pub right: Vec<u32>,
    pub made: Vec<u32>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    model: Model<'a>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    vocab: Vocabulary<'a>,
    #[serde(borrow)]
    merges: Vec<Merge<'a>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Tokens in the order of the file.
struct Vocabulary<'a>(Vec<(Text<'a>, u32)>);

/// Two tokens: `["a", "b"]`, or `"a b"` in older files.
struct Merge<'a>(Text<'a>, Text<'a>);

/// Borrowed from the file where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl VocabularyFile {
    /// Reads a file; `None` for one that is damaged or of another kind.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let File { model, mut rest } = serde_json::from_slice(json).ok()?;
        let ids: HashMap<&str, u32> = model.vocab.0.iter().map(|(token, id)| (token.0.as_ref(), *id)).collect();
        let count = model.merges.len();
        let (mut left, mut right, mut made) = (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        let mut both = String::new();
        for Merge(first, second) in &model.merges {
            both.clear();
            both.push_str(&first.0);
            both.push_str(&second.0);
            left.push(*ids.get(first.0.as_ref())?);
            right.push(*ids.get(second.0.as_ref())?);
            made.push(*ids.get(both.as_str())?);
        }
        let tokens = &model.vocab.0;
        let (texts, lengths) =
            (tokens.iter().flat_map(|(token, _)| token.0.bytes()).collect(), tokens.iter().map(|(token, _)| token.0.len() as u32));
        let (lengths, ids) = (lengths.collect(), tokens.iter().map(|(_, id)| *id).collect());
        rest.insert("model".to_owned(), Value::Object(model.rest));
        Some(Self { rest: Value::Object(rest).to_string(), texts, lengths, ids, left, right, made })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Vocabulary<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(Text<'de>, u32)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("tokens with their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut tokens = Vec::with_capacity(map.size_hint().unwrap_or_default());
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(tokens)
            }
        }
        deserializer.deserialize_map(Entries).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = Merge<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("two tokens")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                let (first, second) = text.split_once(' ').ok_or_else(|| E::custom("one token"))?;
                Ok(Merge(Text(Cow::Borrowed(first)), Text(Cow::Borrowed(second))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                let (first, second) = text.split_once(' ').ok_or_else(|| E::custom("one token"))?;
                Ok(Merge(Text(Cow::Owned(first.to_owned())), Text(Cow::Owned(second.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Self::Value, A::Error> {
                let mut next = || pair.next_element()?.ok_or_else(|| A::Error::custom("one token"));
                let merge = Merge(next()?, next()?);
                if pair.next_element::<Text>()?.is_some() { Err(A::Error::custom("three tokens")) } else { Ok(merge) }
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "version": "1.0", "added_tokens": [{"id": 9, "content": "<a>"}],
        "model": {"type": "BPE", "merges": [["a", "b"], "ab \u0120c"], "vocab": {"a": 0, "b": 2, "ab": 3, "\u0120c": 1, "abĠc": 7}}
    }"#;

    #[test]
    fn reads_tokens_merges_and_the_rest() {
        let file = VocabularyFile::read(FILE.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(file.texts).unwrap(), "ababĠcabĠc");
        assert_eq!((file.lengths, file.ids), (vec![1, 1, 2, 3, 5], vec![0, 2, 3, 1, 7]));
        assert_eq!((file.left, file.right, file.made), (vec![0, 3], vec![2, 1], vec![3, 7]));
        let rest: Value = serde_json::from_str(&file.rest).unwrap();
        assert_eq!(rest, serde_json::json!({"version": "1.0", "added_tokens": [{"id": 9, "content": "<a>"}], "model": {"type": "BPE"}}));
    }

    #[test]
    fn refuses_what_is_damaged_or_of_another_kind() {
        for (from, to) in [
            (r#""ab": 3"#, r#""ab": -3"#),
            (r#""ab": 3"#, r#""ab": "3""#),
            (r#""ab": 3"#, r#""ac": 3"#),
            (r#"["a", "b"]"#, r#"["a"]"#),
            (r#"["a", "b"]"#, r#"["a", "b", "a"]"#),
            (r#"["a", "b"]"#, r#"["a", null]"#),
            (r#"["a", "b"]"#, r#""ab""#),
            ("merges", "merge"),
            ("vocab", "vocabulary"),
            (r#"{"type""#, r#"{{"type""#),
        ] {
            assert!(VocabularyFile::read(FILE.replace(from, to).as_bytes()).is_none(), "{from} -> {to}");
        }
        assert!(VocabularyFile::read(&FILE.as_bytes()[..FILE.len() - 1]).is_none());
        assert!(VocabularyFile::read(b"\xff").is_none());
    }
}
