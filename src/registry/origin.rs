//! Who says what a setting is.

use std::fmt::{self, Display, Formatter};

/// Who gave a setting its value, from the weakest to the strongest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody but this library.
    LibraryDefault,
    /// The code that builds the pipeline.
    Code,
    /// The registry's source, if it says no more.
    Source,
    /// The file, under `defaults`.
    Defaults,
    /// The file, under a name with `*` that matches the pipeline's.
    Pattern(String),
    /// The file, under the pipeline's own name.
    Name,
    /// An operator, above code and source.
    Operator,
    /// The pipeline, which was built with it: what was said since needs one that is built anew.
    Kept,
    /// Somebody who set it on the pipeline itself.
    ByHand,
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::LibraryDefault => f.write_str("library default"),
            Self::Code => f.write_str("code"),
            Self::Source => f.write_str("source"),
            Self::Defaults => f.write_str("defaults"),
            Self::Pattern(pattern) => write!(f, "pattern {pattern}"),
            Self::Name => f.write_str("name"),
            Self::Operator => f.write_str("operator"),
            Self::Kept => f.write_str("kept"),
            Self::ByHand => f.write_str("by hand"),
        }
    }
}
