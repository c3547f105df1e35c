//! Against serde_json, and tables; the suites of `lib/json-body` compare with `JSON.parse`.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const BOUNDS: Bounds = Bounds { depth: 128, keys: 10_000, containers: 200_000, values: 1_000_000 };

/// What a text stands for, by its outline and the long texts.
fn restored(bytes: &[u8]) -> Value {
    let found = scan(bytes, BOUNDS).unwrap();
    let outline = outline(bytes, found.start, &found.texts);
    let mut value: Value = serde_json::from_slice(&outline).unwrap();
    put_back(&mut value, bytes, &found.texts);
    value
}

fn put_back(value: &mut Value, bytes: &[u8], texts: &[u32]) {
    match value {
        Value::String(text) => {
            if let Some(index) = text.strip_prefix('\u{f8ff}') {
                let index: usize = index.parse().unwrap();
                let raw = &bytes[texts[2 * index] as usize..texts[2 * index + 1] as usize];
                *text = serde_json::from_slice(&[b"\"", raw, b"\""].concat()).unwrap();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, bytes, texts)),
        Value::Object(fields) => fields.values_mut().for_each(|field| put_back(field, bytes, texts)),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| (f64::from(number) / 4.0).into()),
        "(\\PC|[\"\\\\\n\u{f8ff}éa-z]){0,9}".prop_map(Value::from),
        ("(\\PC|[\"\\\\\n]){1,3}", 80usize..140).prop_map(|(text, times)| text.repeat(times).into()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-zé\"]{0,3}", inner), 0..12).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(crate::long::cases(20_000))]
    #[test]
    fn what_serde_writes_is_found(value in any_value(), pretty in any::<bool>()) {
        let json = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(restored(&json), value);
        let found = scan(&json, BOUNDS).unwrap();
        for field in &found.fields {
            prop_assert!(serde_json::from_slice::<Value>(&json[field.value.0..field.value.1]).is_ok());
            prop_assert!(serde_json::from_slice::<String>(&json[field.key.0..=field.key.1]).is_ok());
        }
        if found.is_object {
            for end in (0..json.len()).step_by(1 + json.len() / 16) {
                prop_assert_eq!(scan(&json[..end], BOUNDS), Err(Fault::Syntax(end)));
            }
        }
    }
}

#[test]
fn faults_are_at_the_first_wrong_byte() {
    let cases: [(&str, usize); 16] = [
        ("", 0),
        ("[1,]", 3),
        ("{\"a\"1}", 4),
        ("[01]", 2),
        ("[-]", 2),
        ("[1.e1]", 3),
        ("[1e+]", 4),
        ("[tru]", 4),
        ("\"a\nb\"", 2),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 5),
        ("\"\\u12", 5),
        ("{} {}", 3),
        ("[1}", 2),
        ("{,}", 1),
        ("{\"a\":1,}", 7),
    ];
    for (json, at) in cases {
        assert_eq!(scan(json.as_bytes(), BOUNDS), Err(Fault::Syntax(at)), "{json}");
    }
}

#[test]
fn doubled_keys_prototypes_and_bounds_are_refused() {
    let scan = |json: &str, bounds| scan(json.as_bytes(), bounds).unwrap_err();
    assert_eq!(scan(r#"{"a":{"b":1,"\u0062":2}}"#, BOUNDS), Fault::Duplicate(12, 19));
    assert_eq!(scan(r#"{"\ud83e":1,"x":2,"\uD83E":3}"#, BOUNDS), Fault::Duplicate(18, 25));
    assert_eq!(scan(r#"[{"__prot\u006f__":1}]"#, BOUNDS), Fault::Prototype(2));
    assert_eq!(scan(&"[".repeat(129), BOUNDS), Fault::Bound(Bound::Depth, None));
    assert_eq!(scan(r#"{"a":[[]]}"#, Bounds { containers: 2, ..BOUNDS }), Fault::Bound(Bound::Containers, Some((1, 3))));
    assert_eq!(scan(r#"{"a":1,"b":2}"#, Bounds { keys: 1, ..BOUNDS }), Fault::Bound(Bound::Keys, None));
    assert_eq!(scan("[1,2]", Bounds { values: 2, ..BOUNDS }), Fault::Bound(Bound::Values, None));
}

#[test]
fn many_keys_are_found_again_and_nested_objects_do_not_disturb_them() {
    let fields: Vec<String> = (0..500).map(|i| format!(r#""k{i}":{{"k{i}":1,"x":{{"k0":0}}}}"#)).collect();
    let json = format!("{{{}}}", fields.join(","));
    assert_eq!(scan(json.as_bytes(), BOUNDS).unwrap().fields.len(), 500);
    for again in [0, 8, 9, 499] {
        let doubled = format!("{}, \"k{again}\":1}}", &json[..json.len() - 1]);
        assert!(matches!(scan(doubled.as_bytes(), BOUNDS), Err(Fault::Duplicate(at, _)) if at == json.len() + 1));
    }
}
