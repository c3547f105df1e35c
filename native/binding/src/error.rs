use fast_litellm_core::CoreError;

/// An error whose status becomes the JavaScript error's `code`.
pub type Error = napi::Error<&'static str>;
pub type Result<T> = std::result::Result<T, Error>;

/// The only mapping of the core's errors.
pub fn from_core(error: &CoreError) -> Error {
    Error::new(error.code(), error.to_string())
}

/// The result of what the hottest functions do.
pub type Checked<T> = std::result::Result<T, Failure>;

/// What can go wrong in them: small, because a result is moved several times a call.
#[derive(Clone, Copy)]
pub enum Failure {
    NotAString,
    NotANumber,
    NotAnArray,
    UnknownEncoding,
    UnknownPolicy,
    UnknownSpace,
    UnknownHandle,
    NoExchange,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotAString => Self::new("INVALID_ARGUMENT", "text: must be a string".to_owned()),
            Failure::NotANumber => Self::new("INVALID_ARGUMENT", "must be a number".to_owned()),
            Failure::NotAnArray => Self::new("INVALID_ARGUMENT", "must be typed arrays of the documented types and lengths".to_owned()),
            Failure::UnknownPolicy => Self::new("INVALID_ARGUMENT", "policy: must be one of this thread".to_owned()),
            Failure::UnknownSpace => Self::new("INVALID_ARGUMENT", "space: must be open".to_owned()),
            Failure::UnknownHandle => Self::new("INVALID_ARGUMENT", "handle: must be open".to_owned()),
            Failure::NoExchange => Self::new("INVALID_ARGUMENT", "rateLimitExchange must be called first".to_owned()),
            Failure::UnknownEncoding => from_core(&CoreError::UnknownEncoding),
        }
    }
}
