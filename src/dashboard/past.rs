//! What pipelines did in each of the last seconds.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
};

use serde::Serialize;

use crate::{pipeline::Control, window::Tally};

/// How many seconds are kept: two minutes of them are as much as a small picture can show.
const SECONDS: usize = 120;

/// The samples of all pipelines, one for each second, in step.
///
/// Nothing is lost or counted twice: what a pipeline had counted when it was first seen, what was let go of its
/// samples and what they still say add up to what it counted for life. Where seconds were missed, what is known
/// of them together is shared out among them; after a gap that is longer than what is kept, all begins anew.
#[derive(Default)]
pub(super) struct Past {
    /// None before the first.
    newest: Option<u64>,
    /// By the address of the control, which it holds and which is therefore nobody else's.
    series: HashMap<usize, Series>,
}

struct Series {
    control: Control,
    /// When the newest sample was taken.
    before: Sample,
    /// Oldest first.
    samples: VecDeque<Sample>,
}

/// Numbers of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Judged.
    pub(super) calls: u64,
    /// Failed or refused.
    pub(super) bad: u64,
}

impl Sample {
    pub(super) const fn of(tally: &Tally) -> Self {
        Self {
            calls: tally.judged(),
            bad: tally.failed() + tally.rejected(),
        }
    }

    fn map(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            calls: join(self.calls, other.calls),
            bad: join(self.bad, other.bad),
        }
    }
}

impl Past {
    /// Adds the samples up to a second, of the pipelines there are with what they have counted by now: of `most` of
    /// them, those that were there first. Returns the handles it has no use for: the last one of a pipeline drops
    /// code of others, which shall not happen under a lock.
    #[must_use]
    pub(super) fn add(
        &mut self,
        second: u64,
        counted: Vec<(Control, Sample)>,
        most: usize,
    ) -> Vec<Control> {
        let passed = match self.newest {
            Some(newest) => second.saturating_sub(newest),
            None => u64::MAX,
        };
        if passed == 0 {
            return counted.into_iter().map(|(control, _)| control).collect();
        }
        self.newest = Some(second);
        let mut before = mem::take(&mut self.series);
        let mut unused = Vec::new();
        if passed > SECONDS as u64 {
            unused.extend(before.drain().map(|(_, series)| series.control));
        }
        let mut new = Vec::new();
        for (control, total) in counted {
            match before.remove(&control.address()) {
                Some(mut series) => {
                    series.add(total, passed);
                    self.series.insert(control.address(), series);
                    unused.push(control);
                }
                None => new.push((control, total)),
            }
        }
        for (control, total) in new {
            if self.series.len() < most {
                let address = control.address();
                self.series.insert(address, Series::new(control, total));
            } else {
                unused.push(control);
            }
        }
        unused.extend(before.into_values().map(|series| series.control));
        unused
    }

    /// Returns the second of the newest samples.
    pub(super) fn newest(&self) -> u64 {
        self.newest.unwrap_or_default()
    }

    /// Returns the newest sample of a pipeline, if it has one.
    pub(super) fn newest_of(&self, control: &Control) -> Option<Sample> {
        self.series.get(&control.address())?.samples.back().copied()
    }

    pub(super) fn told(&self) -> Told {
        let series = self.series.values();
        Told {
            sample: self.newest(),
            seconds: 1,
            circuits: series
                .map(|series| (series.control.name().to_owned(), series.told()))
                .collect(),
        }
    }
}

impl Series {
    const fn new(control: Control, before: Sample) -> Self {
        Self {
            control,
            before,
            samples: VecDeque::new(),
        }
    }

    /// Adds what is new to the total, as samples of so many seconds, which are at least one.
    fn add(&mut self, total: Sample, seconds: u64) {
        // A reading of busy counters may be short of a bucket, which the next one has again.
        let total = total.map(self.before, u64::max);
        let new = total.map(self.before, |now, before| now - before);
        for second in 0..seconds {
            self.samples.push_back(share(new, second, seconds));
        }
        self.before = total;
        let too_many = self.samples.len().saturating_sub(SECONDS);
        self.samples.drain(..too_many);
    }

    fn told(&self) -> ToldSeries {
        let samples = || self.samples.iter();
        ToldSeries {
            calls: samples().map(|sample| sample.calls).collect(),
            bad: samples().map(|sample| sample.bad).collect(),
        }
    }
}

/// Returns what falls to one second of several: all the same, but for the last ones, which have the remainder.
fn share(of: Sample, second: u64, seconds: u64) -> Sample {
    let share = |total, _| total / seconds + u64::from(second >= seconds - total % seconds);
    of.map(of, share)
}

/// The answer of the route `history`.
#[derive(Serialize)]
pub(super) struct Told {
    sample: u64,
    seconds: u64,
    circuits: BTreeMap<String, ToldSeries>,
}

#[derive(Serialize)]
struct ToldSeries {
    calls: Vec<u64>,
    bad: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    #[test]
    fn what_a_reading_is_short_of_comes_with_the_next_one() {
        let pipeline = Pipeline::builder("inventory").build().unwrap();
        let mut series = Series::new(pipeline.control().clone(), Sample::default());
        for calls in [10, 8, 12] {
            series.add(Sample { calls, bad: 0 }, 1);
        }
        assert_eq!(series.told().calls, [10, 0, 2]);
    }
}
