//! The layer that takes the key from the request.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use portcullis::{bulkhead::QueueSettings, pipeline::Fault, rejection::Rejection};
use tokio_test::{assert_pending, task};
use tower::{ServiceBuilder, ServiceExt};

use super::*;
use crate::support::soon;

/// As axum's are: with a part that the key is taken from, and a body.
struct Http {
    host: Option<String>,
    _body: Vec<u8>,
}

fn host(request: &Http) -> Cow<'_, str> {
    request
        .host
        .as_deref()
        .map_or(Cow::Owned("nowhere".to_owned()), Cow::Borrowed)
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_borrowed_from_the_request_or_made() {
    let registry = Registry::new();
    let set = registry
        .keyed("host", |builder: Builder| {
            builder.fallback(|fault: &Fault<BoxError>| fault.rejection().map_or(500, |_| 503))
        })
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(set.layer(host))
        .service_fn(async |request: Http| Ok::<_, BoxError>(request.host.map_or(404, |_| 200)));
    let get = |host: Option<&str>| Http {
        host: host.map(str::to_owned),
        _body: Vec::new(),
    };
    assert_eq!(
        soon(service.clone().oneshot(get(Some("a")))).await.unwrap(),
        200
    );
    assert_eq!(soon(service.clone().oneshot(get(None))).await.unwrap(), 404);
    registry.get("host:a").unwrap().circuit_breaker().trip();
    assert_eq!(
        soon(service.clone().oneshot(get(Some("a")))).await.unwrap(),
        503
    );
    // A closure is inferred to be such a function.
    let upper = set.layer(|request: &Http| Cow::Owned(host(request).to_uppercase()));
    let upper = upper.layer(tower::service_fn(async |_: Http| Ok::<_, BoxError>(201)));
    assert_eq!(soon(upper.oneshot(get(Some("a")))).await.unwrap(), 201);
    assert!(registry.get("host:A").is_some() && registry.get("host:nowhere").is_some());
}

/// Has to be ready before it is called, and says so.
#[derive(Debug)]
struct OneAtATime {
    readied: Arc<AtomicU32>,
    is_ready: bool,
}

impl Clone for OneAtATime {
    fn clone(&self) -> Self {
        let readied = Arc::clone(&self.readied);
        Self {
            readied,
            is_ready: false,
        }
    }
}

impl Service<Request> for OneAtATime {
    type Response = String;
    type Error = BoxError;
    type Future = Ready<Result<String, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.readied.fetch_add(1, Relaxed).is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called before it was ready"
        );
        ready(Ok(request.tenant))
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_that_was_made_ready_is_the_one_that_is_called() {
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let inner = OneAtATime {
        readied: Arc::default(),
        is_ready: false,
    };
    let mut service = set.layer(tenant).layer(inner);
    for key in ["a", "b", "a"] {
        let ready = soon(service.ready()).await.unwrap();
        assert_eq!(soon(ready.call(good(key))).await.unwrap(), key);
    }
    assert_eq!(set.key_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_the_queue_keeps_its_pipeline() {
    let (registry, log) = observed();
    let set = registry
        .keyed_up_to("set", 1, |builder: Builder| {
            builder
                .bulkhead(portcullis::bulkhead::Settings::default().limit(0))
                .queue(
                    QueueSettings::default()
                        .length(1)
                        .longest_wait(seconds(300)),
                )
        })
        .unwrap();
    let service = set.layer(tenant).layer(Backend);
    let mut waiting = task::spawn(service.clone().oneshot(good("waits")));
    assert_pending!(waiting.poll());
    tokio::time::advance(seconds(100)).await;
    for number in 0..10 {
        let refused = task::spawn(service.clone().oneshot(good(number.to_string()))).poll();
        drop(refused);
    }
    assert_eq!(log.take(), ["+set:*overflow*", "+set:waits"]);
    registry.get("set:waits").unwrap().bulkhead().set_limit(1);
    assert_eq!(soon(waiting).await.unwrap(), "waits");
}

#[tokio::test(start_paused = true)]
async fn rejections_name_the_key() {
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let service = set.layer(tenant).layer(Backend);
    set.get("a").circuit_breaker().trip();
    let error = soon(service.oneshot(good("a"))).await.unwrap_err();
    assert_eq!(Rejection::find(&*error).unwrap().name(), Some("set:a"));
}
