//! The deadline of one call.

use std::{
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    deadlines::Deadlines,
    lines::Turn,
    queue::Place,
    timer::{Timer, TokioTimer},
};
use crate::{clock, settings::LONGEST, stripes::stripes, sync::thread_number};

/// The limit of a call, and what has been done about it.
///
/// Small, because it is moved with its future through all layers of a stack: a timer of tokio's in its
/// place would make that 112 bytes more.
#[derive(Debug)]
pub(super) enum Due {
    /// Nothing yet, since the call was not pending.
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
    /// Asks whether the time of a pending call is over. It begins with the first question.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Unset { limit, sharing } => {
                let (limit, sharing) = (*limit, *sharing);
                self.set(limit, sharing, cx)
            }
            Self::Never => Poll::Pending,
            Self::Shared(entry) => match entry.poll(cx) {
                Turn::Waits => Poll::Pending,
                Turn::IsDue => Poll::Ready(()),
                Turn::LostTimer(deadline) => self.set_own(deadline, cx),
            },
            Self::Own(timer) => timer.poll(cx.waker()),
        }
    }

    fn set(&mut self, limit: Option<Duration>, sharing: Sharing, cx: &Context<'_>) -> Poll<()> {
        let Some(limit) = limit.filter(|limit| *limit <= LONGEST) else {
            *self = Self::Never;
            return Poll::Pending;
        };
        if limit.is_zero() {
            return Poll::Ready(());
        }
        let entry = match sharing {
            Sharing::Shared => Entry::new(limit, cx),
            Sharing::Own => None,
        };
        let Some(entry) = entry else {
            return self.set_own(clock::tokio_now() + limit, cx);
        };
        *self = Self::Shared(entry);
        Poll::Pending
    }

    #[cold]
    fn set_own(&mut self, deadline: Instant, cx: &Context<'_>) -> Poll<()> {
        let mut timer = TokioTimer::new(deadline);
        let polled = timer.poll(cx.waker());
        *self = Self::Own(timer);
        polled
    }
}

/// A place among the calls of one stripe. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct Entry {
    // A `Place` and the stripe, without the padding that a `Place` would add.
    number: u64,
    node: u32,
    stripe: u32,
}

impl Entry {
    #[inline]
    fn new(limit: Duration, cx: &Context<'_>) -> Option<Self> {
        // A power of two.
        let stripe = thread_number() & (STRIPES.len() - 1);
        let Place { number, node } = STRIPES[stripe].enter(limit, cx.waker().clone())?;
        Some(Self {
            number,
            node,
            stripe: stripe as u32,
        })
    }

    fn poll(&self, cx: &Context<'_>) -> Turn<Instant> {
        self.deadlines().poll(self.place(), cx.waker())
    }

    fn deadlines(&self) -> &'static Deadlines<TokioTimer> {
        &STRIPES[self.stripe as usize]
    }

    const fn place(&self) -> Place {
        Place {
            number: self.number,
            node: self.node,
        }
    }
}

impl Drop for Entry {
    // Apart, so that a future that has no entry ends with a glance at its tag.
    #[inline(never)]
    fn drop(&mut self) {
        self.deadlines().leave(self.place());
    }
}

/// The calls that wait in this process, each in the stripe of the thread that polled it first.
///
/// Global, against our habit. A stripe that belonged to a layer would have to be handed to each call, which
/// may outlive the service, in case that it has to wait: two writes to a reference count, which is twice the
/// cost of a call that is ready at once. And layers with the same limit, such as those of a thousand keys of
/// which each is called now and then, would have a timer each and gain nothing.
static STRIPES: LazyLock<Box<[Arc<Deadlines<TokioTimer>>]>> = LazyLock::new(|| {
    let stripes = 0..stripes() * STRIPES_PER_CORE;
    stripes.map(|_| Arc::new(Deadlines::new())).collect()
});

/// The numbers of threads that are busy need not be neighbours, and two threads that meet at a stripe pay
/// for it with each call; a stripe is 256 bytes.
const STRIPES_PER_CORE: usize = 4;

/// Returns how many calls with a limit wait in this runtime, or none if there is not even a timer.
#[cfg(all(test, not(portcullis_loom)))]
pub(super) fn waiting(limit: Duration) -> Option<usize> {
    let runtime = TokioTimer::runtime();
    let stripes = STRIPES.iter();
    let waiting = stripes.filter_map(|stripe| stripe.waiting(runtime, limit));
    waiting.reduce(|sum, waiting| sum + waiting)
}
