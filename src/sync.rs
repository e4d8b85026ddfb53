//! Atomics and the one lock, from `std` and `parking_lot` or, when the models run, from loom.
//!
//! The models are built with `--cfg portcullis_loom`: a name of our own, because plain `loom` would
//! also reach into dependencies that give it another meaning.

#[cfg(not(portcullis_loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(portcullis_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(portcullis_loom)]
pub(crate) use self::model::Mutex;
#[cfg(portcullis_loom)]
use loom::sync::atomic::fence;
#[cfg(portcullis_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(portcullis_loom)]
mod model {
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
