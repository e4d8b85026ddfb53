//! What one lock guards: the calls that wait, one line for each limit and runtime.
//!
//! Nothing here locks, wakes, or sets a timer.

use std::{task::Waker, time::Duration};

use super::{
    queue::{Place, Queue},
    timer::Timer,
};

/// How many lines there may be. They are searched one after the other.
const MOST: usize = 32;

/// Some lines, and the numbers of lines and calls, none of which is given twice.
pub(super) struct Lines<T: Timer> {
    lines: Vec<Line<T>>,
    drawn: u64,
}

/// The calls with one limit that were made in one runtime.
///
/// It has a timer that is set, or was taken by somebody who is setting it, or its runtime is gone. So it
/// does not outlive its calls by more than the limit, and holds nothing of a runtime that has ended.
struct Line<T: Timer> {
    number: u64,
    limit: Duration,
    /// None once it is gone: the calls that are still here have to find another timer.
    runtime: Option<T::Runtime>,
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
        self.forget_lost(deadline);
        let mut calls = Queue::new(deadline);
        let place = calls.push(self.draw(), deadline, waker);
        self.lines.push(Line {
            number,
            limit,
            runtime: Some(runtime),
            timer: Some(timer),
            calls,
        });
        place
    }

    /// Returns the calls of a line that is open.
    #[inline]
    pub(super) fn calls(
        &mut self,
        runtime: T::Runtime,
        limit: Duration,
    ) -> Option<&mut Queue<T::Time>> {
        let mut lines = self.lines.iter_mut();
        let line = lines.find(|line| line.limit == limit && line.runtime == Some(runtime));
        line.map(|line| &mut line.calls)
    }

    /// Returns the waker of a call that waits, or else what has become of it.
    pub(super) fn waker(&mut self, place: Place) -> Result<&mut Waker, Turn<T::Time>> {
        let Some(index) = self.lines.iter().position(|line| line.calls.has(place)) else {
            return Err(Turn::IsDue);
        };
        if self.lines[index].runtime.is_none() {
            let (deadline, _) = self.remove_from(index, place).ok_or(Turn::IsDue)?;
            return Err(Turn::LostTimer(deadline));
        }
        let waker = self.lines[index].calls.waker(place);
        waker.ok_or(Turn::IsDue)
    }

    /// Takes a call out, if it is there, and returns its waker.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<Waker> {
        let index = self.lines.iter().position(|line| line.calls.has(place))?;
        self.remove_from(index, place)?.1
    }

    fn remove_from(&mut self, index: usize, place: Place) -> Option<(T::Time, Option<Waker>)> {
        let line = &mut self.lines[index];
        let gone = line.calls.remove(place);
        if line.runtime.is_none() && line.calls.is_empty() {
            self.lines.swap_remove(index);
        }
        gone
    }

    /// Takes the timer of a line, to put it back, if nobody else has.
    pub(super) fn take_timer(&mut self, line: u64) -> Option<(T, T::Runtime)> {
        let line = self.line(line)?;
        Some((line.timer.take()?, line.runtime?))
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
                Some(waker) => woken.extend(waker),
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

    /// Closes a line whose timer is gone, and returns the wakers of all its calls.
    pub(super) fn lose_timer(&mut self, line: u64) -> Vec<Waker> {
        if self.next(line).is_none() {
            return Vec::new();
        }
        let line = self.line(line).into_iter();
        line.flat_map(|line| {
            line.runtime = None;
            line.calls.take_wakers()
        })
        .collect()
    }

    /// Forgets the calls that nobody has asked for since their timer was lost: those that were leaked.
    fn forget_lost(&mut self, now: T::Time) {
        self.lines.retain_mut(|line| {
            let is_lost = line.runtime.is_none();
            while is_lost && line.calls.pop_due(now).is_some() {}
            !is_lost || !line.calls.is_empty()
        });
    }

    fn line(&mut self, number: u64) -> Option<&mut Line<T>> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    /// Returns how many calls wait for `limit` to pass.
    #[cfg(test)]
    pub(super) fn waiting(&self, runtime: T::Runtime, limit: Duration) -> usize {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.limit == limit && line.runtime == Some(runtime))
            .map(|line| line.calls.len())
            .sum()
    }
}
