//! Atomics, the one lock and the numbers of threads, from `std` and `parking_lot` or, when the models run,
//! from loom.
//!
//! The models are built with `--cfg portcullis_loom`: a name of our own, because plain `loom` would
//! also reach into dependencies that give it another meaning.

#[cfg(not(portcullis_loom))]
pub(crate) use self::number::thread_number;
#[cfg(not(portcullis_loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(portcullis_loom)]
pub(crate) use self::model::{Mutex, OnceLock, thread_number};
#[cfg(portcullis_loom)]
use loom::sync::atomic::fence;
#[cfg(portcullis_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(portcullis_loom)]
mod model {
    use super::Ordering;

    /// loom's mutex behind `parking_lot`'s interface.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("a model holds no lock across a panic")
        }
    }

    /// std's cell, with what it orders told to loom.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        cell: std::sync::OnceLock<T>,
        is_set: loom::sync::atomic::AtomicBool,
        setting: loom::sync::Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                cell: std::sync::OnceLock::new(),
                is_set: loom::sync::atomic::AtomicBool::new(false),
                setting: loom::sync::Mutex::new(()),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            let is_set = self.is_set.load(Ordering::Acquire);
            self.cell.get().filter(|_| is_set)
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if self.get().is_none() {
                let _setting = self.setting.lock().expect("nothing panics there");
                self.cell.get_or_init(make);
                self.is_set.store(true, Ordering::Release);
            }
            self.cell.get().expect("it was set above, at the latest")
        }
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    /// The number shows in the output of an id and nowhere else.
    pub(crate) fn thread_number() -> usize {
        let id = format!("{:?}", loom::thread::current().id());
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("an id has a number")
    }
}

#[cfg(not(portcullis_loom))]
mod number {
    use std::{cell::Cell, collections::BTreeSet};

    use parking_lot::Mutex;

    /// The numbers that were given back, and the first that nobody ever had.
    static FREE: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

    const NONE: usize = usize::MAX;

    thread_local! {
        /// Without a destructor, so that to read it takes one instruction.
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
        static LEASE: Lease = Lease::take();
    }

    /// Gives the number back when the thread ends.
    struct Lease(usize);

    impl Lease {
        fn take() -> Self {
            let (free, next) = &mut *FREE.lock();
            Self(free.pop_first().unwrap_or_else(|| {
                *next += 1;
                *next - 1
            }))
        }
    }

    impl Drop for Lease {
        fn drop(&mut self) {
            FREE.lock().0.insert(self.0);
        }
    }

    /// Returns a number that no other living thread has, as small as that allows.
    ///
    /// While a thread ends it may share its number with a new one.
    #[inline(always)]
    pub(crate) fn thread_number() -> usize {
        let number = NUMBER.get();
        if number == NONE { take() } else { number }
    }

    #[cold]
    fn take() -> usize {
        // In the destructors of an ending thread there is no lease any more.
        let number = LEASE.try_with(|lease| lease.0).unwrap_or(0);
        NUMBER.set(number);
        number
    }

    #[cfg(test)]
    mod tests {
        use super::thread_number;

        #[test]
        fn threads_have_numbers_of_their_own_and_give_them_back() {
            let number = || std::thread::spawn(thread_number).join().unwrap();
            let mine = thread_number();
            assert_eq!(mine, thread_number());
            assert_ne!(number(), mine);
            // Tests run beside this one, so that no number is for sure the next one.
            let most = (0..1_000).map(|_| number()).max();
            assert!(most < Some(1_000), "{most:?}");
        }
    }
}

/// Orders the `SeqCst` access before it and those after it, for loom only.
///
/// loom treats `SeqCst` accesses as acquire and release and only its fences as sequentially consistent,
/// so the models get a fence where the language needs none.
#[inline]
pub(crate) fn sequenced() {
    #[cfg(portcullis_loom)]
    fence(Ordering::SeqCst);
}

/// Lets another thread go on for which this one has to wait a moment.
pub(crate) fn pause() {
    #[cfg(not(portcullis_loom))]
    std::thread::yield_now();
    #[cfg(portcullis_loom)]
    loom::thread::yield_now();
}
