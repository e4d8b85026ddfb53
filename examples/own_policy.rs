//! A policy of your own, in one stack with one of ours.
//!
//! ```text
//! cargo run --example own_policy
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use portcullis::{
    bulkhead::{self, Bulkhead},
    clock::Now,
    gate::{Completion, GateLayer, Policy},
    rejection::{BoxError, Reason, Rejection},
};
use tower::{Service, ServiceBuilder, ServiceExt};

/// Admits a number of calls in all, such as a supplier sells them. Those that fail cost nothing.
#[derive(Clone)]
struct Quota(Arc<AtomicU32>);

const USED_UP: Reason = Reason::Policy("quota_used_up");

impl Quota {
    fn new(calls: u32) -> Self {
        Self(Arc::new(AtomicU32::new(calls)))
    }

    fn left(&self) -> u32 {
        self.0.load(Relaxed)
    }

    fn give_back(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Policy for Quota {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        let one_less = |left: u32| left.checked_sub(1);
        let taken = self.0.fetch_update(Relaxed, Relaxed, one_less);
        taken.map(drop).map_err(|_| Rejection::new(USED_UP))
    }

    fn settle(&self, (): (), completion: &Completion<'_>) {
        if completion.outcome().is_failure() {
            self.give_back();
        }
    }

    /// The policy to the right refused.
    fn withdraw(&self, (): ()) {
        self.give_back();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let quota = Quota::new(2);
    let bulkhead = Bulkhead::new(bulkhead::Settings::default().limit(1))?;
    let mut service = ServiceBuilder::new()
        .layer(GateLayer::new((quota.clone(), bulkhead.clone())))
        .service_fn(async |number: i32| u32::try_from(number).map_err(BoxError::from));

    assert_eq!(service.ready().await?.call(7).await?, 7);
    assert_eq!(quota.left(), 1);

    assert!(service.ready().await?.call(-7).await.is_err());
    assert_eq!(quota.left(), 1, "a failed call costs nothing");

    let taken = bulkhead.admit()?;
    let refused = service.ready().await?.call(8).await;
    assert_eq!(reason(refused), Some(Reason::BulkheadFull));
    assert_eq!(quota.left(), 1, "nor does one that never began");
    drop(taken);

    assert_eq!(service.ready().await?.call(9).await?, 9);
    let refused = service.ready().await?.call(10).await;
    assert_eq!(reason(refused), Some(USED_UP));
    println!("the quota and the bulkhead worked as one policy");
    Ok(())
}

fn reason(answer: Result<u32, BoxError>) -> Option<Reason> {
    Rejection::find(&*answer.err()?).map(Rejection::reason)
}
