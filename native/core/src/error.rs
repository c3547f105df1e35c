/// Everything the core refuses. The binding maps each to a stable code, once.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CoreError {
    #[error("unknown encoding")]
    UnknownEncoding,
    #[error("{0} is not a token of this encoding")]
    UnknownToken(u32),
    #[error("the packed tokenizer is damaged: {0} is wrong")]
    PackedTokenizer(&'static str),
    #[error("this process has 60 tokenizers and takes no more")]
    TooManyTokenizers,
    #[error("the lengths of a batch must add up to the joined text, got {got} for {expected}")]
    BatchLengths { expected: usize, got: usize },
    #[error("policies have more than 8192 scopes and kinds of limits in this process")]
    TooManyFamilies,
    #[error("a region of shared memory needs 8 bytes to 1 GiB and a multiple of 8, got {0}")]
    RegionBytes(usize),
    #[error("this region of shared memory has {expected} bytes, not {got}")]
    RegionSize { expected: usize, got: usize },
    #[error("this process has 4096 regions of shared memory and takes no more")]
    TooManyRegions,
    #[error("the system has no memory for a region of {0} bytes")]
    NoMemory(usize),
    #[error("maxConnections: must be {expected}, as other members of the pool have it, got {got}")]
    PoolLimit { expected: usize, got: usize },
    #[error("64 members share this already, and no more can")]
    TooManyMembers,
}

impl CoreError {
    /// Stable, the same as the TypeScript engine's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownEncoding => "UNKNOWN_ENCODING",
            Self::UnknownToken(_) => "UNKNOWN_TOKEN",
            Self::BatchLengths { .. } => "INVALID_ARGUMENT",
            Self::PackedTokenizer(_) => "DAMAGED_TOKENIZER",
            Self::TooManyFamilies => "TOO_MANY_POLICIES",
            Self::RegionBytes(_) | Self::RegionSize { .. } | Self::PoolLimit { .. } => "INVALID_ARGUMENT",
            Self::TooManyTokenizers | Self::TooManyRegions | Self::NoMemory(_) | Self::TooManyMembers => "OUT_OF_RESOURCES",
        }
    }
}
