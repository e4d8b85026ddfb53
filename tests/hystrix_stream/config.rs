//! The stream of settings.

use portcullis::{bulkhead, circuit_breaker, event::Mode};
use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn settings_are_told_of_all_pipelines_at_once() {
    let registry = Registry::new();
    let settings = circuit_breaker::Settings::default()
        .minimum_calls(40)
        .failure_rate(0.25)
        .buckets(20)
        .open_for(ms(1_500));
    let builder = Pipeline::builder("shop:search")
        .timeout(None)
        .bulkhead(bulkhead::Settings::default().limit(7))
        .circuit_breaker(settings);
    let search = registry.register(builder).unwrap();
    search.circuit_breaker().set_mode(Mode::ForcedClosed);
    registry.register(Pipeline::builder("inventory")).unwrap();

    let message = first_message(&with(&registry, Settings::config())).await;
    assert_eq!(message["commands"].as_object().unwrap().len(), 2);
    assert_eq!(
        message["commands"]["inventory"]["execution"]["timeoutInMilliseconds"],
        1000
    );
    assert_eq!(
        message["commands"]["inventory"]["execution"]["timeoutEnabled"],
        true
    );
    let told = json!({
        "type": "HystrixConfig",
        "commands": {
            "inventory": message["commands"]["inventory"],
            "shop:search": {
                "threadPoolKey": "shop",
                "groupKey": "shop",
                "execution": {
                    "isolationStrategy": "SEMAPHORE",
                    "threadPoolKeyOverride": null,
                    "requestCacheEnabled": false,
                    "requestLogEnabled": false,
                    "timeoutEnabled": false,
                    "fallbackEnabled": true,
                    "timeoutInMilliseconds": 0,
                    "semaphoreSize": 7,
                    "fallbackSemaphoreSize": 2_147_483_647,
                    "threadInterruptOnTimeout": true,
                },
                "metrics": {
                    "healthBucketSizeInMs": 500,
                    "percentileBucketSizeInMilliseconds": 5000,
                    "percentileBucketCount": 2,
                    "percentileEnabled": true,
                    "counterBucketSizeInMilliseconds": 500,
                    "counterBucketCount": 20,
                },
                "circuitBreaker": {
                    "enabled": true,
                    "isForcedOpen": false,
                    "isForcedClosed": true,
                    "requestVolumeThreshold": 40,
                    "errorPercentageThreshold": 25,
                    "sleepInMilliseconds": 1500,
                },
            },
        },
        "threadpools": {},
        "collapsers": {},
    });
    assert_eq!(message, told);
}

#[tokio::test(start_paused = true)]
async fn settings_are_told_every_five_seconds() {
    let (registry, texts) = watched();
    let mut body = subscribe(&with(&registry, Settings::config()));
    read(&mut body).await;
    tokio::time::advance(ms(4_990)).await;
    assert_eq!(try_read(&mut body), None);
    assert!(read(&mut body).await.starts_with("data: "));
    assert_eq!(texts.load(Ordering::Relaxed), 2);
}
