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
    Buckets1,
    Buckets10,
    Buckets100,
    Buckets1Failing,
    Buckets10Failing,
    Buckets100Failing,
    Keys1,
    Keys1k,
    Keys100k,
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
    StackSpaced,
}

/// Which part of a subject a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Floor,
    Breaker,
    /// How a breaker's window is cut, which the peers do not let one choose.
    Buckets,
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
        Self::Buckets1,
        Self::Buckets10,
        Self::Buckets100,
        Self::Buckets1Failing,
        Self::Buckets10Failing,
        Self::Buckets100Failing,
        Self::Keys1,
        Self::Keys1k,
        Self::Keys100k,
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
        Self::StackSpaced,
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
            Self::Buckets1 => "buckets_1",
            Self::Buckets10 => "buckets_10",
            Self::Buckets100 => "buckets_100",
            Self::Buckets1Failing => "buckets_1_10pct",
            Self::Buckets10Failing => "buckets_10_10pct",
            Self::Buckets100Failing => "buckets_100_10pct",
            Self::Keys1 => "keys_1",
            Self::Keys1k => "keys_1k",
            Self::Keys100k => "keys_100k",
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
            Self::StackSpaced => "stack_spaced",
        }
    }

    pub(crate) const fn part(self) -> Part {
        match self {
            Self::Floor => Part::Floor,
            _ if self.buckets().is_some() => Part::Buckets,
            Self::BulkheadOk | Self::BulkheadFull | Self::BulkheadContended => Part::Bulkhead,
            Self::TimeoutReady | Self::TimeoutPending => Part::Timeout,
            Self::FallbackUnused | Self::FallbackUsed => Part::Fallback,
            Self::StackReady | Self::StackPending | Self::StackOpen | Self::StackSpaced => {
                Part::Stack
            }
            _ => Part::Breaker,
        }
    }

    /// Returns how many calls reach the backend and come back with its answer.
    pub(crate) const fn answered(self) -> Answered {
        match self {
            Self::Breaker10pct
            | Self::Buckets1Failing
            | Self::Buckets10Failing
            | Self::Buckets100Failing => Answered::NineOfTen,
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
            _ if self.buckets().is_some() => Some(1_000),
            _ => None,
        }
    }

    /// Returns into how many buckets the window is cut, where the case is about that.
    pub(crate) const fn buckets(self) -> Option<u32> {
        match self {
            Self::Buckets1 | Self::Buckets1Failing => Some(1),
            Self::Buckets10 | Self::Buckets10Failing => Some(10),
            Self::Buckets100 | Self::Buckets100Failing => Some(100),
            _ => None,
        }
    }

    /// Returns how many instances there are, of which each call goes through any.
    pub(crate) const fn keys(self) -> Option<usize> {
        match self {
            Self::Keys1 => Some(1),
            Self::Keys1k => Some(1_000),
            Self::Keys100k => Some(100_000),
            _ => None,
        }
    }

    /// Returns how many calls there may be in a round, where they would change what is measured.
    pub(crate) const fn most_calls(self) -> Option<u32> {
        if self.traffic().is_some() && self.buckets().is_none() {
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
            Self::BreakerSpaced | Self::BreakerNoClockSpaced | Self::StackSpaced => {
                Duration::from_nanos(200)
            }
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
