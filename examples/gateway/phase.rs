//! When the upstream is in which condition.

/// What is the matter with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Healthy,
    /// Every fourth answer comes later than the guard waits.
    Slow,
    /// Answers 500 at once.
    Failing,
    /// Takes requests and never answers.
    Hanging,
    /// Nobody listens.
    Refused,
}

impl Phase {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Failing => "failing",
            Self::Hanging => "hanging",
            Self::Refused => "refused",
        }
    }

    /// Returns whether no call can succeed.
    pub(crate) const fn is_down(self) -> bool {
        matches!(self, Self::Failing | Self::Hanging | Self::Refused)
    }
}

/// The phases in order, each with the percentage of the run at which it ends.
const PLAN: [(Phase, u64); 6] = [
    (Phase::Healthy, 15),
    (Phase::Slow, 30),
    (Phase::Failing, 45),
    (Phase::Hanging, 65),
    (Phase::Refused, 80),
    (Phase::Healthy, 100),
];

/// The phases of a run, cut at whole seconds so that no second belongs to two of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    seconds: u64,
}

impl Schedule {
    /// In a shorter run some phase would be rounded away.
    pub(crate) const SHORTEST: u64 = 6;

    pub(crate) const fn new(seconds: u64) -> Self {
        Self { seconds }
    }

    pub(crate) const fn seconds(self) -> u64 {
        self.seconds
    }

    pub(crate) fn phase_at(self, second: u64) -> Phase {
        PLAN.into_iter()
            .find(|(_, end)| second < (end * self.seconds + 50) / 100)
            .map_or(Phase::Healthy, |(phase, _)| phase)
    }

    pub(crate) fn seconds_down(self) -> u64 {
        (0..self.seconds)
            .map(|second| u64::from(self.phase_at(second).is_down()))
            .sum()
    }
}
