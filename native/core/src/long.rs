//! How much a test does.

use proptest::prelude::ProptestConfig;

/// Whether `LONG=1` asks for all of it.
pub fn is_long() -> bool {
    std::env::var_os("LONG").is_some()
}

/// `long` random cases with `LONG=1`, a tenth of them otherwise.
pub fn cases(long: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if is_long() { long } else { long / 10 })
}
