//! What is measured.

use std::time::Duration;

/// A situation in which every subject that can be in it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Floor,
    BreakerClosed,
    BreakerLatency,
    BreakerNoClock,
    Breaker10pct,
    BreakerOpen,
    BreakerSpaced,
    BreakerNoClockSpaced,
    WindowCalls,
    WindowTimeEmpty,
    WindowTime1k,
    WindowTime100k,
    WindowTimeRoll,
    BulkheadOk,
    BulkheadFull,
    BulkheadContended,
    TimeoutReady,
    TimeoutPending,
    FallbackUnused,
    FallbackUsed,
    StackReady,
    StackPending,
    StackOpen,
}

/// Which part of a subject a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Floor,
    Breaker,
    Bulkhead,
    Timeout,
    Fallback,
    Stack,
}

/// How many calls the backend answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    All,
    NineOfTen,
    Some,
    None,
}

impl Case {
    pub(crate) const ALL: &[Self] = &[
        Self::Floor,
        Self::BreakerClosed,
        Self::BreakerLatency,
        Self::BreakerNoClock,
        Self::Breaker10pct,
        Self::BreakerOpen,
        Self::BreakerSpaced,
        Self::BreakerNoClockSpaced,
        Self::WindowCalls,
        Self::WindowTimeEmpty,
        Self::WindowTime1k,
        Self::WindowTime100k,
        Self::WindowTimeRoll,
        Self::BulkheadOk,
        Self::BulkheadFull,
        Self::BulkheadContended,
        Self::TimeoutReady,
        Self::TimeoutPending,
        Self::FallbackUnused,
        Self::FallbackUsed,
        Self::StackReady,
        Self::StackPending,
        Self::StackOpen,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::BreakerClosed => "breaker_closed",
            Self::BreakerLatency => "breaker_latency",
            Self::BreakerNoClock => "breaker_no_clock",
            Self::Breaker10pct => "breaker_10pct",
            Self::BreakerOpen => "breaker_open",
            Self::BreakerSpaced => "breaker_spaced",
            Self::BreakerNoClockSpaced => "breaker_no_clock_spaced",
            Self::WindowCalls => "window_calls",
            Self::WindowTimeEmpty => "window_time_empty",
            Self::WindowTime1k => "window_time_1k",
            Self::WindowTime100k => "window_time_100k",
            Self::WindowTimeRoll => "window_time_roll",
            Self::BulkheadOk => "bulkhead_ok",
            Self::BulkheadFull => "bulkhead_full",
            Self::BulkheadContended => "bulkhead_contended",
            Self::TimeoutReady => "timeout_ready",
            Self::TimeoutPending => "timeout_pending",
            Self::FallbackUnused => "fallback_unused",
            Self::FallbackUsed => "fallback_used",
            Self::StackReady => "stack_ready",
            Self::StackPending => "stack_pending",
            Self::StackOpen => "stack_open",
        }
    }

    pub(crate) const fn part(self) -> Part {
        match self {
            Self::Floor => Part::Floor,
            Self::BulkheadOk | Self::BulkheadFull | Self::BulkheadContended => Part::Bulkhead,
            Self::TimeoutReady | Self::TimeoutPending => Part::Timeout,
            Self::FallbackUnused | Self::FallbackUsed => Part::Fallback,
            Self::StackReady | Self::StackPending | Self::StackOpen => Part::Stack,
            _ => Part::Breaker,
        }
    }

    /// Returns how many calls reach the backend and come back with its answer.
    pub(crate) const fn answered(self) -> Answered {
        match self {
            Self::Breaker10pct => Answered::NineOfTen,
            Self::BreakerOpen | Self::BulkheadFull | Self::FallbackUsed | Self::StackOpen => {
                Answered::None
            }
            Self::BulkheadContended => Answered::Some,
            _ => Answered::All,
        }
    }

    /// Returns the calls per second of the traffic that fills the window beforehand.
    pub(crate) const fn traffic(self) -> Option<u32> {
        match self {
            Self::WindowTimeEmpty | Self::WindowTimeRoll => Some(1),
            Self::WindowTime1k => Some(1_000),
            Self::WindowTime100k => Some(100_000),
            _ => None,
        }
    }

    /// Returns how many calls there may be in a round, where they would change what is measured.
    pub(crate) const fn most_calls(self) -> Option<u32> {
        if self.traffic().is_some() {
            Some(500)
        } else {
            None
        }
    }

    /// Returns whether each round needs a new instance, because the last one has filled the window.
    pub(crate) const fn is_fresh_each_round(self) -> bool {
        matches!(self, Self::WindowTimeEmpty)
    }

    /// Returns the work of the caller's own between two calls.
    pub(crate) const fn pause(self) -> Duration {
        match self {
            Self::BreakerSpaced | Self::BreakerNoClockSpaced => Duration::from_nanos(200),
            _ => Duration::ZERO,
        }
    }
}

impl Answered {
    pub(crate) const fn is(self, answered: u32, calls: u32) -> bool {
        match self {
            Self::All => answered == calls,
            Self::NineOfTen => answered == calls - calls / 10,
            Self::Some => answered <= calls,
            Self::None => answered == 0,
        }
    }
}
