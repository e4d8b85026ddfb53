//! A circuit breaker by itself: around blocking code, around a future, and by hand.
//!
//! ```text
//! cargo run --example breaker_without_tower
//! ```

use std::{io, time::Duration};

use portcullis::{
    circuit_breaker::{CircuitBreaker, Mode, Settings, State},
    outcome::Outcome,
    rejection::{BoxError, Rejection},
};

fn main() -> Result<(), BoxError> {
    blocking_code()?;
    by_hand()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(a_future())?;
    an_operator()?;
    println!("the breaker worked four times without Tower");
    Ok(())
}

fn breaker() -> Result<CircuitBreaker, BoxError> {
    let settings = Settings::default()
        .minimum_calls(2)
        .open_for(Duration::from_secs(60));
    Ok(CircuitBreaker::new(settings)?)
}

fn blocking_code() -> Result<(), BoxError> {
    let breaker = breaker()?;
    let read = || std::fs::read_to_string("/no/such/file").map_err(BoxError::from);
    for _ in 0..2 {
        let error = breaker.call_blocking(read).unwrap_err();
        assert!(error.is::<io::Error>(), "errors come out as they are");
    }
    let error = breaker.call_blocking(read).unwrap_err();
    assert!(Rejection::find(&*error).is_some_and(Rejection::is_circuit_open));
    Ok(())
}

/// Where a call begins in one place and ends in another.
fn by_hand() -> Result<(), BoxError> {
    let breaker = breaker()?;
    for _ in 0..2 {
        let flight = breaker.admit()?;
        flight.settle(Outcome::Failure);
    }
    let rejection = breaker.admit().unwrap_err();
    assert!(rejection.retry_after().is_some());

    let breaker = self::breaker()?;
    drop(breaker.admit()?);
    assert_eq!(breaker.counts().window.cancelled, 1, "settled by no one");
    Ok(())
}

async fn a_future() -> Result<(), BoxError> {
    let breaker = breaker()?;
    let answer = breaker.call(async { Ok::<_, BoxError>(42) }).await?;
    assert_eq!(answer, 42);
    assert_eq!(breaker.counts().window.success, 1);
    Ok(())
}

fn an_operator() -> Result<(), BoxError> {
    let breaker = breaker()?;
    breaker.trip();
    assert_eq!(breaker.state(), State::Open);
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);

    breaker.set_mode(Mode::ForcedOpen);
    assert!(breaker.admit().is_err(), "whatever the calls say");
    breaker.set_mode(Mode::Automatic);
    assert!(breaker.admit().is_ok());
    Ok(())
}
