//! What one lock guards: the calls that wait, one line for each limit and runtime.
//!
//! Nothing here locks, wakes, or sets a timer.

use std::{collections::BTreeMap, task::Waker, time::Duration};

use super::{
    queue::{Call, Place, Queue},
    timer::Timer,
};

/// How many lines there may be. They are searched one after the other.
const MOST: usize = 32;

/// Some lines, and the numbers of lines and calls, none of which is given twice.
pub(super) struct Lines<T: Timer> {
    lines: Vec<Line<T>>,
    /// The deadlines of calls whose timer went with its runtime, by their numbers, until they ask.
    lost: BTreeMap<u64, T::Time>,
    drawn: u64,
}

/// The calls with one limit that were made in one runtime.
///
/// It has a timer that is set, or was taken by somebody who is setting it: so a line does not outlive its
/// calls by more than the limit, and nothing is kept of a runtime that has ended.
struct Line<T: Timer> {
    number: u64,
    limit: Duration,
    runtime: T::Runtime,
    timer: Option<T>,
    calls: Queue<T::Time>,
}

/// What became of a call that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn<Time> {
    Waits,
    IsDue,
    /// Its timer went with the runtime. The deadline stands.
    LostTimer(Time),
}

impl<T: Timer> Lines<T> {
    pub(super) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            lost: BTreeMap::new(),
            drawn: 0,
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.lines.len() >= MOST
    }

    /// Returns a number that nobody else has.
    #[inline]
    pub(super) const fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Opens a line with one call.
    pub(super) fn open(
        &mut self,
        number: u64,
        runtime: T::Runtime,
        limit: Duration,
        timer: T,
        waker: Waker,
    ) -> Place {
        let deadline = timer.deadline();
        let mut calls = Queue::new();
        let place = calls.push(self.draw(), deadline, waker);
        self.lines.push(Line {
            number,
            limit,
            runtime,
            timer: Some(timer),
            calls,
        });
        place
    }

    /// Returns the calls of a line, if there is one.
    #[inline]
    pub(super) fn calls(
        &mut self,
        runtime: T::Runtime,
        limit: Duration,
    ) -> Option<&mut Queue<T::Time>> {
        let mut lines = self.lines.iter_mut();
        let line = lines.find(|line| line.limit == limit && line.runtime == runtime);
        line.map(|line| &mut line.calls)
    }

    /// Returns the waker of a call that waits, or else what has become of it.
    pub(super) fn waker(&mut self, place: Place) -> Result<&mut Waker, Turn<T::Time>> {
        let mut lines = self.lines.iter_mut();
        lines
            .find_map(|line| line.calls.waker(place))
            .ok_or_else(|| {
                // Left there until the call has another timer: to make one may panic.
                let lost = self.lost.get(&place.number).copied();
                lost.map_or(Turn::IsDue, Turn::LostTimer)
            })
    }

    /// Takes a call out, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<Call<T::Time>> {
        let mut lines = self.lines.iter_mut();
        let call = lines.find_map(|line| line.calls.remove(place));
        if call.is_none() {
            self.lost.remove(&place.number);
        }
        call
    }

    /// Takes the timer of a line, to put it back, if nobody else has.
    pub(super) fn take_timer(&mut self, line: u64) -> Option<(T, T::Runtime)> {
        let line = self.line(line)?;
        Some((line.timer.take()?, line.runtime))
    }

    /// Puts a timer back and returns whether it has gone off by now.
    pub(super) fn put_back(&mut self, line: u64, timer: T) -> bool {
        let went_off = timer.went_off();
        if let Some(line) = self.line(line) {
            line.timer = Some(timer);
        }
        went_off
    }

    /// Takes out up to `most` calls that are due, and returns whether there may be more.
    pub(super) fn expire(
        &mut self,
        line: u64,
        now: T::Time,
        most: usize,
        woken: &mut Vec<Waker>,
    ) -> bool {
        let Some(line) = self.line(line) else {
            return false;
        };
        for _ in 0..most {
            match line.calls.pop_due(now) {
                Some(call) => woken.push(call.waker),
                None => return false,
            }
        }
        true
    }

    /// Returns for when the timer of a line is to be set, or closes the line if there are no calls.
    pub(super) fn next(&mut self, line: u64) -> Option<T::Time> {
        let next = self.line(line)?.calls.first();
        if next.is_none() {
            self.lines.retain(|other| other.number != line);
        }
        next
    }

    /// Closes a line whose timer is gone, and takes the wakers of its calls.
    pub(super) fn lose_timer(&mut self, line: u64, woken: &mut Vec<Waker>) {
        while let Some(call) = self.line(line).and_then(|line| line.calls.pop()) {
            self.lost.insert(call.number, call.deadline);
            woken.push(call.waker);
        }
        self.next(line);
    }

    fn line(&mut self, number: u64) -> Option<&mut Line<T>> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    #[cfg(all(test, portcullis_loom))]
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns how many calls wait in a line, if there is one.
    #[cfg(all(test, not(portcullis_loom)))]
    pub(super) fn waiting(&self, runtime: T::Runtime, limit: Duration) -> Option<usize> {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.limit == limit && line.runtime == runtime);
        line.map(|line| line.calls.len())
    }
}
