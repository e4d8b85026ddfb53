//! Bulkheads as layers and by hand.

mod contract;
mod keyed;
mod limit;
mod live;
mod queue;
#[cfg(feature = "serde")]
mod settings;

use std::{future::Future, pin::Pin, time::Duration};

use portcullis::{
    bulkhead::{Bulkhead, Order, QueueSettings, QueuedBulkhead, Settings},
    rejection::{BoxError, Reason, Rejection},
};
use tower_test::mock::{self, Mock, SendResponse};

type Backend = mock::Handle<&'static str, &'static str>;
type Inner = Mock<&'static str, &'static str>;
type Respond = SendResponse<&'static str>;
type Waiting = Pin<Box<dyn Future<Output = Result<&'static str, BoxError>> + Send>>;

/// A service that is always ready, and the handle that answers its calls.
fn backend() -> (Inner, Backend) {
    mock::pair()
}

fn bulkhead(limit: u32) -> Bulkhead {
    Bulkhead::new(Settings::default().limit(limit)).expect("valid settings")
}

fn queued(limit: u32, length: u32, order: Order) -> QueuedBulkhead {
    let queue = QueueSettings::default().length(length).order(order);
    QueuedBulkhead::new(Settings::default().limit(limit), queue).expect("valid settings")
}

/// Awaits what must not take for ever. The clock is paused, so that this costs no time.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(3_600), future)
        .await
        .expect("it never ends")
}

async fn next_call(backend: &mut Backend) -> (&'static str, Respond) {
    soon(backend.next_request()).await.expect("a caller")
}

fn reason(error: &BoxError) -> Reason {
    Rejection::find(&**error).expect("a rejection").reason()
}
