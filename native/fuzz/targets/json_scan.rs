//! A JSON text of any bytes against serde_json, and its outline with the texts put back. Input: the
//! bytes.
#![no_main]

use fast_litellm_core::json_body::{Bounds, Fault, outline, scan};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

const NONE: Bounds = Bounds { depth: u32::MAX, keys: u32::MAX, containers: u32::MAX, values: u32::MAX };
const FEW: Bounds = Bounds { depth: 3, keys: 3, containers: 5, values: 9 };

fuzz_target!(|data: &[u8]| {
    let found = scan(data, NONE);
    if let Err(fault) = scan(data, FEW) {
        assert!(matches!(fault, Fault::Bound(..)) || Err(fault) == found);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Like the scan it minds neither numbers too large nor half surrogate pairs.
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match found {
        Ok(_) => assert!(is_json),
        Err(Fault::Syntax(_)) => assert!(!is_json),
        Err(_) => {}
    }
    let (Ok(found), Ok(value)) = (scan(data, NONE), serde_json::from_str::<Value>(text)) else { return };
    let mut restored: Value = serde_json::from_slice(&outline(data, found.start, &found.texts)).expect("an outline that is JSON");
    put_back(&mut restored, data, &found.texts);
    assert_eq!(restored, value);
    let names = found.fields.iter().map(|field| serde_json::from_slice::<String>(&data[field.key.0..=field.key.1]).expect("a key"));
    assert_eq!(names.len(), value.as_object().map_or(0, serde_json::Map::len));
    for (name, field) in names.zip(&found.fields) {
        let part: Value = serde_json::from_slice(&data[field.value.0..field.value.1]).expect("a value");
        assert_eq!(part, value[&name]);
    }
});

fn put_back(value: &mut Value, bytes: &[u8], texts: &[u32]) {
    match value {
        Value::String(text) => {
            if let Some(index) = text.strip_prefix('\u{f8ff}') {
                let index: usize = index.parse().expect("the index of a mark");
                let raw = &bytes[texts[2 * index] as usize..texts[2 * index + 1] as usize];
                *text = serde_json::from_slice(&[b"\"", raw, b"\""].concat()).expect("a string");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, bytes, texts)),
        Value::Object(fields) => fields.values_mut().for_each(|field| put_back(field, bytes, texts)),
        _ => {}
    }
}
