use fast_litellm_core::CoreError;

/// An error whose status becomes the JavaScript error's `code`.
pub type Error = napi::Error<&'static str>;
pub type Result<T> = std::result::Result<T, Error>;

/// The only mapping of the core's errors.
pub fn from_core(error: &CoreError) -> Error {
    Error::new(error.code(), error.to_string())
}
