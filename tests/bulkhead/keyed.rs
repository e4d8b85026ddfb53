//! A bulkhead for each key.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::SeqCst},
};

use portcullis::bulkhead::KeyedBulkhead;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

use super::*;

fn keyed<K: std::hash::Hash + Eq + Clone>(limit: u32, max_keys: u32) -> KeyedBulkhead<K> {
    KeyedBulkhead::new(Settings::default().limit(limit), max_keys).expect("valid settings")
}

#[tokio::test(start_paused = true)]
async fn a_full_key_leaves_the_others_alone() {
    let bulkhead = keyed(1, 10);
    let (inner, mut backend) = backend();
    let mut service = bulkhead.layer(|name: &&'static str| *name).layer(inner);

    let mut slow = task::spawn(soon(service.ready()).await.unwrap().call("slow"));
    assert_pending!(slow.poll());
    let refused = soon(service.clone().oneshot("slow")).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::BulkheadFull);
    let mut quick = task::spawn(soon(service.ready()).await.unwrap().call("quick"));
    assert_pending!(quick.poll());
    for _ in 0..2 {
        let (name, respond) = next_call(&mut backend).await;
        respond.send_response(name);
    }
    assert_eq!(soon(slow).await.unwrap(), "slow");
    assert_eq!(soon(quick).await.unwrap(), "quick");
    let mut usage = bulkhead.usage();
    usage.sort_by_key(|(key, _)| *key);
    let usage = usage
        .iter()
        .map(|(key, usage)| (*key, usage.in_flight, usage.limit));
    assert_eq!(usage.collect::<Vec<_>>(), [("quick", 0, 1), ("slow", 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn layers_and_clones_of_one_handle_share_the_keys() {
    let bulkhead = keyed(1, 10);
    let (inner, _backend) = backend();
    let mut one = bulkhead
        .layer(|name: &&'static str| *name)
        .layer(inner.clone());
    let other = bulkhead
        .clone()
        .layer(|name: &&'static str| *name)
        .layer(inner);
    let call = soon(one.ready()).await.unwrap().call("key");
    assert!(soon(other.clone().oneshot("key")).await.is_err());
    drop(call);
    assert_eq!(bulkhead.get(&"key").unwrap().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_may_have_a_limit_of_its_own() {
    let bulkhead = keyed(1, 10);
    bulkhead.set_limit(&"wide", 2);
    let _wide = (
        bulkhead.admit(&"wide").unwrap(),
        bulkhead.admit(&"wide").unwrap(),
    );
    assert!(bulkhead.admit(&"wide").is_err());
    let _narrow = bulkhead.admit(&"narrow").unwrap();
    assert!(bulkhead.admit(&"narrow").is_err());
    bulkhead.set_limit(&"narrow", u32::MAX);
    assert!(bulkhead.admit(&"narrow").is_ok());
    bulkhead.set_limit(&"narrow", 0);
    assert!(bulkhead.admit(&"narrow").is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_key_makes_room_for_a_new_one() {
    let bulkhead = keyed(1, 2);
    let _busy = bulkhead.admit(&0).unwrap();
    for key in 1..100 {
        let _flight = bulkhead.admit(&key).unwrap();
        assert!(bulkhead.admit(&key).is_err());
        assert!(bulkhead.key_count() <= 2);
        assert_eq!(bulkhead.get(&key).unwrap().in_flight, 1);
    }
    assert_eq!(bulkhead.get(&0).unwrap().in_flight, 1);
    assert_eq!(bulkhead.overflow().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn new_keys_share_the_overflow_while_no_key_is_idle() {
    let bulkhead = keyed(2, 1);
    let busy = bulkhead.admit(&"busy").unwrap();
    let _overflow = (bulkhead.admit(&"a").unwrap(), bulkhead.admit(&"b").unwrap());
    assert!(bulkhead.admit(&"c").is_err());
    assert_eq!(
        (bulkhead.overflow().in_flight, bulkhead.key_count()),
        (2, 1)
    );
    drop(busy);
    let _own = bulkhead.admit(&"c").unwrap();
    assert_eq!(bulkhead.get(&"c").unwrap().in_flight, 1);
    assert!(bulkhead.get(&"busy").is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_with_a_limit_of_their_own_are_kept_and_need_no_place() {
    let bulkhead = keyed(1, 1);
    bulkhead.set_limit(&"known", 3);
    drop(bulkhead.admit(&"kept later").unwrap());
    bulkhead.set_limit(&"kept later", 4);
    bulkhead.set_limit(&"kept later", 5);
    for key in ["a", "b", "c"] {
        drop(bulkhead.admit(&key).unwrap());
        assert_eq!(bulkhead.key_count(), 3);
    }
    assert_eq!(bulkhead.get(&"known").unwrap().limit, 3);
    assert_eq!(bulkhead.get(&"kept later").unwrap().limit, 5);
    assert_eq!(bulkhead.overflow().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_one_key_at_least() {
    let error = KeyedBulkhead::<u8>::new(Settings::default(), 0).unwrap_err();
    assert_eq!(error.field(), "max_keys");
}

/// With more threads than keys there may be, so that keys are evicted all the time.
#[test]
fn no_key_exceeds_its_limit_while_keys_come_and_go() {
    let bulkhead = keyed::<usize>(1, 2);
    let running: Arc<[AtomicI64; 3]> = Arc::default();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (bulkhead, running) = (bulkhead.clone(), Arc::clone(&running));
            std::thread::spawn(move || {
                for turn in 0..20_000_usize {
                    let key = (thread + turn) % 3;
                    if let Ok(flight) = bulkhead.admit(&key) {
                        // One in the key's own bulkhead, and one in the overflow.
                        assert!(running[key].fetch_add(1, SeqCst) < 2);
                        running[key].fetch_sub(1, SeqCst);
                        drop(flight);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(bulkhead.key_count() <= 2);
    assert!(
        bulkhead
            .usage()
            .iter()
            .all(|(_, usage)| usage.in_flight == 0)
    );
    assert_eq!(bulkhead.overflow().in_flight, 0);
}
