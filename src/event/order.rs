//! What operators can order.

use std::fmt;

/// An order of an operator, by its kind.
///
/// A registry [carries orders out](crate::registry::Registry::order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OrderKind {
    /// To refuse all calls.
    ForceOpen,
    /// To admit all calls, and judge none.
    ForceClosed,
    /// To admit what the rules would refuse, and report it.
    DryRun,
    /// To go by the mode of the settings again.
    Automatic,
    /// To open now.
    Trip,
    /// To close now, and forget the window.
    Reset,
    /// To take other settings than code and source say.
    Settings,
    /// To go by code and source again.
    ReleaseSettings,
}

impl OrderKind {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForceOpen => "force_open",
            Self::ForceClosed => "force_closed",
            Self::DryRun => "dry_run",
            Self::Automatic => "automatic",
            Self::Trip => "trip",
            Self::Reset => "reset",
            Self::Settings => "settings",
            Self::ReleaseSettings => "release_settings",
        }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
