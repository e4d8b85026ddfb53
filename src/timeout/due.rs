//! The deadline of one call.

use std::{
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use super::{
    deadlines::Deadlines,
    lines::Turn,
    queue::Place,
    timer::{Timer, TokioTimer},
};
use crate::{clock, settings::LONGEST, stripes::stripes, sync::thread_number};

/// A limit, and what has been done about it.
#[derive(Debug)]
pub(super) enum Due {
    /// Nothing, since nobody has had to wait.
    Unset {
        limit: Option<Duration>,
        sharing: Sharing,
    },
    Never,
    Shared(Entry),
    Own(TokioTimer),
}

/// Whether a call shares a timer with others that have the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Shared,
    Own,
}

impl Due {
    /// Asks whether the time of a call that is pending is over; it begins with the first question.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Unset { limit, sharing } = *self {
            return self.set(limit, sharing, cx);
        }
        self.poll_set(cx)
    }

    #[inline]
    fn set(&mut self, limit: Option<Duration>, sharing: Sharing, cx: &mut Context<'_>) -> Poll<()> {
        *self = match limit {
            Some(Duration::ZERO) => return Poll::Ready(()),
            Some(limit) if limit > LONGEST => Self::Never,
            None => Self::Never,
            Some(limit) => match sharing {
                Sharing::Shared => match Entry::new(limit, cx) {
                    Some(entry) => Self::Shared(entry),
                    None => return self.set(Some(limit), Sharing::Own, cx),
                },
                Sharing::Own => return self.set_own(clock::tokio_now() + limit, cx),
            },
        };
        Poll::Pending
    }

    #[cold]
    fn set_own(&mut self, deadline: tokio::time::Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut timer = TokioTimer::new(deadline);
        let polled = timer.poll(cx.waker());
        *self = Self::Own(timer);
        polled
    }

    fn poll_set(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Unset { .. } | Self::Never => Poll::Pending,
            Self::Own(timer) => timer.poll(cx.waker()),
            Self::Shared(entry) => match entry.poll(cx) {
                Turn::Waits => Poll::Pending,
                Turn::IsDue => Poll::Ready(()),
                Turn::LostTimer(deadline) => self.set_own(deadline, cx),
            },
        }
    }
}

/// A place among the calls that were made by one thread. Dropped, it is left.
#[derive(Debug)]
pub(super) struct Entry {
    number: u64,
    node: u32,
    stripe: u32,
}

impl Entry {
    #[inline]
    fn new(limit: Duration, cx: &Context<'_>) -> Option<Self> {
        let index = thread_number() & (STRIPES.len() - 1);
        let Place { number, node } = STRIPES[index].enter(limit, cx.waker().clone())?;
        Some(Self {
            number,
            node,
            stripe: index as u32,
        })
    }

    fn poll(&self, cx: &Context<'_>) -> Turn<tokio::time::Instant> {
        self.deadlines().poll(self.place(), cx.waker())
    }

    fn place(&self) -> Place {
        Place {
            number: self.number,
            node: self.node,
        }
    }

    fn deadlines(&self) -> &'static Deadlines<TokioTimer> {
        &STRIPES[self.stripe as usize]
    }
}

impl Drop for Entry {
    // A call, so that the end of a future that has no entry is short.
    #[inline(never)]
    fn drop(&mut self) {
        self.deadlines().leave(self.place());
    }
}

static STRIPES: LazyLock<Box<[Arc<Deadlines<TokioTimer>>]>> = LazyLock::new(|| {
    (0..stripes() * 4)
        .map(|_| Arc::new(Deadlines::new()))
        .collect()
});
