//! The circuit breaker: the state word, the times and the record, put together.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Settings,
    checked::{Change, Checked, tell_mode},
    live::Live,
    record::Record,
    state::{CircuitPermit, Role, Word},
    streak::Streak,
    times::Times,
};
use crate::{
    clock::Now,
    event::{Cause, Mode, Scope, State, tell_settings},
    gate::{Borrowed, Completion, Flight, GateLayer, Handle, Judge, Later, Policy, call},
    rejection::Rejection,
    settings::{Applied, SettingsError},
    sync::{AtomicU32, AtomicU64, Ordering},
    window::{Counts, Cursor, Kind, Tally},
};

/// A circuit breaker; clones are the same circuit.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct CircuitBreaker {
    pub(super) circuit: Arc<Circuit>,
}

/// **Ordering.** The word is exchanged in `AcqRel` and read in `Acquire`: whoever sees a generation sees
/// its time, and the window as it was cleared for it. The other numbers are relaxed: they are read for a
/// transition and belong to none.
pub(super) struct Circuit {
    pub(super) word: AtomicU64,
    pub(super) times: Times,
    pub(super) record: Record,
    pub(super) streak: Streak,
    /// How often the circuit opened since it was closed.
    pub(super) openings: AtomicU32,
    pub(super) times_opened: AtomicU64,
    /// Until when the dependency asked to be left alone.
    pub(super) asked_until: AtomicU64,
    /// The shares of the calls of a ramp-up, added up; it overflows with each one admitted.
    pub(super) ramp: AtomicU32,
    pub(super) settings: Live,
    pub(super) scope: Scope,
}

/// Numbers of calls, in the window and since the beginning.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Counted {
    /// In the window that is judged.
    pub window: Tally,
    /// Since the circuit was made.
    pub lifetime: Tally,
}

impl CircuitBreaker {
    /// Creates a closed circuit without a name.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of its range.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Self::scoped(settings, Scope::new())
    }

    /// Creates a closed circuit with a name, a clock and observers.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of its range.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "settings are made to be given away"
    )]
    pub fn scoped(settings: Settings, scope: Scope) -> Result<Self, SettingsError> {
        Self::alike(&settings, Arc::new(settings.checked()?), scope)
    }

    /// Creates a circuit in one block with others that have the same settings.
    pub(super) fn alike(
        settings: &Settings,
        checked: Arc<Checked>,
        scope: Scope,
    ) -> Result<Self, SettingsError> {
        Ok(Self::over(Record::new(settings)?, checked, scope))
    }

    /// Creates a circuit that counts where others look too.
    pub(crate) fn counting(
        settings: &Settings,
        scope: Scope,
        counts: Arc<Counts>,
    ) -> Result<Self, SettingsError> {
        let record = Record::shared(settings, counts)?;
        Ok(Self::over(record, Arc::new(settings.checked()?), scope))
    }

    /// Settles a call that counts at `cursor`, which was found before.
    #[inline(always)]
    pub(crate) fn settle_at(
        &self,
        cursor: Cursor,
        permit: CircuitPermit,
        completion: &Completion<'_>,
    ) {
        self.settle_over(permit, completion, |_| cursor);
    }

    #[inline(always)]
    #[expect(clippy::needless_pass_by_value, reason = "a permit is given back")]
    fn settle_over(
        &self,
        permit: CircuitPermit,
        completion: &Completion<'_>,
        cursor: impl FnOnce(&Counts) -> Cursor,
    ) {
        let circuit = &*self.circuit;
        let is_settled = circuit.record.is_timed_alone() && {
            // Read before the counters are: then they need not be put aside for it.
            let _ = completion.now().tick();
            let counts = circuit.record.counts();
            circuit.settle_plainly(counts, cursor(counts), &permit, completion)
        };
        if !is_settled {
            completion.lend(|completion| circuit.settle(&permit, completion));
        }
    }

    fn over(record: Record, checked: Arc<Checked>, scope: Scope) -> Self {
        let circuit = Circuit {
            word: AtomicU64::new(Word::new(checked.mode).0),
            times: Times::new(scope.clock().now()),
            record,
            streak: Streak::new(),
            openings: AtomicU32::new(0),
            times_opened: AtomicU64::new(0),
            asked_until: AtomicU64::new(0),
            ramp: AtomicU32::new(0),
            settings: Live::new(checked),
            scope,
        };
        Self {
            circuit: Arc::new(circuit),
        }
    }

    /// Returns a layer for this circuit alone; all services it makes share the circuit.
    ///
    /// Where the error type is an enum of yours and there are rejections from further in, such as a
    /// bulkhead's, [classify](GateLayer::classify) them as ignored: the default classifier cannot see
    /// into the enum.
    #[must_use]
    pub fn layer(&self) -> GateLayer<Self> {
        GateLayer::new(self.clone()).scoped(self.circuit.scope.clone())
    }

    /// Admits a call; settle the flight with its outcome.
    ///
    /// # Errors
    ///
    /// Why the call is refused, and when to come again.
    #[inline(always)]
    pub fn admit(&self) -> Result<Flight<Borrowed<'_, Self>>, Rejection> {
        Flight::borrowing(self)
    }

    /// As [`admit`](Self::admit), for a flight that is kept or sent somewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn admit_owned(&self) -> Result<Flight<Self>, Rejection> {
        Flight::by_hand(self)
    }

    /// Runs a future behind the circuit; its errors are failures.
    ///
    /// # Errors
    ///
    /// The future's error, or the rejection.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped counts as cancelled, and gives the place of a probe back.
    pub fn call<F, Res, Err>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Res, Err>> + use<F, Res, Err>
    where
        F: Future<Output = Result<Res, Err>>,
        Err: From<Rejection> + 'static,
    {
        call(self.clone(), future)
    }

    /// Runs a function behind the circuit; its errors are failures.
    ///
    /// # Errors
    ///
    /// The function's error, or the rejection.
    ///
    /// # Panics
    ///
    /// As the function does; that counts as a failure.
    pub fn call_blocking<Res, Err>(
        &self,
        function: impl FnOnce() -> Result<Res, Err>,
    ) -> Result<Res, Err>
    where
        Err: From<Rejection> + 'static,
    {
        let flight = self.admit()?;
        let answer = function();
        flight.settle(self.verdict(answer.as_ref()));
        answer
    }

    /// Opens the circuit, for as long as if a rule had done it; an open one opens anew.
    pub fn trip(&self) {
        let now = self.circuit.scope.clock().now();
        self.circuit
            .move_on(|word| Some((word.opened(), Cause::Manual)), now);
    }

    /// Closes the circuit, without a ramp-up, and forgets the window. Counts for life stay.
    pub fn reset(&self) {
        let now = self.circuit.scope.clock().now();
        self.circuit
            .move_on(|word| Some((word.closed(false), Cause::Manual)), now);
    }

    /// Sets who decides: the rules, or you.
    ///
    /// The state below stays as it is and is what [`state`](Self::state) returns, so show both. When the
    /// rules decide again, they go by what was recorded meanwhile, and a state that a dry run only
    /// played becomes real; [`reset`](Self::reset) first if that is not wanted.
    pub fn set_mode(&self, mode: Mode) {
        let from = self.circuit.exchange_mode(mode);
        tell_mode(&self.circuit.scope, from, mode);
    }

    /// Takes new settings while calls run. See the [module docs](super#new-settings-while-calls-run).
    ///
    /// The mode is set if it differs from that of the settings before; one that was set by hand stays
    /// otherwise.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of its range; then nothing has changed.
    pub fn apply(&self, settings: &Settings) -> Result<Applied, SettingsError> {
        let change = self.change(settings, None)?;
        let applied = change.applied();
        change.tell(&self.circuit.scope);
        tell_settings(&self.circuit.scope, &applied);
        Ok(applied)
    }

    /// As [`apply`](Self::apply), but for a mode that was ordered from above, which stays, and for the telling,
    /// which is left to the caller.
    pub(crate) fn change(
        &self,
        settings: &Settings,
        ordered: Option<Mode>,
    ) -> Result<Change, SettingsError> {
        self.circuit.change(settings, ordered)
    }

    /// As [`set_mode`](Self::set_mode), but for the telling; returns the mode before.
    pub(crate) fn exchange_mode(&self, mode: Mode) -> Mode {
        self.circuit.exchange_mode(mode)
    }

    /// Tells observers of another mode.
    pub(crate) fn mode_changed(&self, from: Mode, to: Mode) {
        tell_mode(&self.circuit.scope, from, to);
    }

    /// Sets the mode of a circuit that nobody has yet, and tells nobody.
    pub(crate) fn begin_in(&self, mode: Mode) {
        self.circuit
            .word
            .store(Word::new(mode).0, Ordering::Release);
    }

    /// Returns the state. An open circuit stays open until a call comes to probe it.
    #[must_use]
    pub fn state(&self) -> State {
        self.circuit.load().state()
    }

    /// Returns who decides.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.circuit.load().mode()
    }

    /// Returns how long the circuit will stay open, or none if it is not open.
    #[must_use]
    pub fn remaining_open(&self) -> Option<Duration> {
        let word = self.circuit.load();
        let end = self.circuit.times.end_of(word.generation())?;
        (word.state() == State::Open).then(|| end.since(self.circuit.scope.clock().now()))
    }

    /// Returns how many calls ended how.
    #[must_use]
    pub fn counts(&self) -> Counted {
        Counted {
            window: self
                .circuit
                .record
                .window(&Now::of(self.circuit.scope.clock())),
            lifetime: self.circuit.record.lifetime(),
        }
    }

    /// Returns how often the circuit has opened since it was made.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        self.circuit.times_opened.load(Ordering::Relaxed)
    }

    /// Returns how many calls failed in a row, if a rule counts them.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        let rules = self.circuit.settings.rules();
        let generation = self.circuit.load().generation();
        rules
            .consecutive_failures
            .map_or(0, |_| self.circuit.streak.get(generation))
    }
}

impl Handle for CircuitBreaker {
    fn own_scope(&self) -> &Scope {
        &self.circuit.scope
    }
}

impl Policy for CircuitBreaker {
    type Permit = CircuitPermit;

    #[inline(always)]
    fn admit(&self, now: &Now<'_>) -> Result<CircuitPermit, Rejection> {
        let word = self.circuit.load();
        match CircuitPermit::of_plainly_closed(word) {
            Some(permit) => Ok(permit),
            None => now.lend(|now| self.circuit.admit(word, now)),
        }
    }

    #[inline(always)]
    fn settle(&self, permit: CircuitPermit, completion: &Completion<'_>) {
        self.settle_over(permit, completion, |counts| {
            counts.cursor(completion.now().tick())
        });
    }

    fn settle_later(&self, permit: CircuitPermit, _: &Completion<'_>) -> Option<Later> {
        Some(Later::new(self.clone(), permit))
    }

    fn withdraw(&self, permit: CircuitPermit) {
        if permit.role() == Role::Probe {
            let give_back = |word| {
                let word = Word(word);
                let is_mine = word.generation() == permit.generation();
                is_mine.then(|| word.without_probe().0)
            };
            let word = &self.circuit.word;
            let _ = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, give_back);
        }
    }

    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        let kind = Kind::of_rejection(rejection.reason());
        let record = &self.circuit.record;
        record.count_unheard(record.place(now), kind);
    }

    fn broken(&self, completion: &Completion<'_>) {
        let word = self.circuit.load();
        // Not by way of admission, which would let a share of them speak while the circuit ramps up.
        let permit = if word.is_closed() {
            Ok(CircuitPermit::new(word, Role::Judged))
        } else {
            Policy::admit(self, completion.now())
        };
        if let Ok(permit) = permit {
            self.settle(permit, completion);
        }
    }

    fn abandoned(&self, now: &Now<'_>) {
        let record = &self.circuit.record;
        record.count_unheard(record.place(now), Kind::Cancelled);
    }

    #[inline(always)]
    fn is_shut(&self, now: &Now<'_>) -> bool {
        let word = self.circuit.load();
        !word.is_plainly_closed() && now.lend(|now| self.circuit.is_shut(word, now))
    }

    #[inline(always)]
    fn needs_latency(&self) -> bool {
        self.circuit.settings.times_calls()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.circuit.scope.name())
            .field("word", &self.circuit.load())
            .finish_non_exhaustive()
    }
}
