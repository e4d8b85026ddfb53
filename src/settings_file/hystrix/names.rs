//! The names of properties: what they are about, and whom they are for.

/// A property that has a counterpart, or decides about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Timeout,
    TimeoutEnabled,
    Strategy,
    Semaphore,
    BreakerEnabled,
    ForceOpen,
    ForceClosed,
    RequestVolume,
    SleepWindow,
    ErrorPercentage,
    Window,
    Buckets,
    CoreSize,
    MaximumSize,
    MaximumDiverges,
    MaxQueueSize,
    QueueThreshold,
    ZuulStrategy,
    ZuulSemaphores,
    ZuulGroupSemaphores,
}

/// A star stands for the key of a command, a pool or a group of servers.
const KINDS: [(Kind, &str); 20] = [
    (
        Kind::Timeout,
        "hystrix.command.*.execution.isolation.thread.timeoutInMilliseconds",
    ),
    (
        Kind::TimeoutEnabled,
        "hystrix.command.*.execution.timeout.enabled",
    ),
    (
        Kind::Strategy,
        "hystrix.command.*.execution.isolation.strategy",
    ),
    (
        Kind::Semaphore,
        "hystrix.command.*.execution.isolation.semaphore.maxConcurrentRequests",
    ),
    (
        Kind::BreakerEnabled,
        "hystrix.command.*.circuitBreaker.enabled",
    ),
    (
        Kind::ForceOpen,
        "hystrix.command.*.circuitBreaker.forceOpen",
    ),
    (
        Kind::ForceClosed,
        "hystrix.command.*.circuitBreaker.forceClosed",
    ),
    (
        Kind::RequestVolume,
        "hystrix.command.*.circuitBreaker.requestVolumeThreshold",
    ),
    (
        Kind::SleepWindow,
        "hystrix.command.*.circuitBreaker.sleepWindowInMilliseconds",
    ),
    (
        Kind::ErrorPercentage,
        "hystrix.command.*.circuitBreaker.errorThresholdPercentage",
    ),
    (
        Kind::Window,
        "hystrix.command.*.metrics.rollingStats.timeInMilliseconds",
    ),
    (
        Kind::Buckets,
        "hystrix.command.*.metrics.rollingStats.numBuckets",
    ),
    (Kind::CoreSize, "hystrix.threadpool.*.coreSize"),
    (Kind::MaximumSize, "hystrix.threadpool.*.maximumSize"),
    (
        Kind::MaximumDiverges,
        "hystrix.threadpool.*.allowMaximumSizeToDivergeFromCoreSize",
    ),
    (Kind::MaxQueueSize, "hystrix.threadpool.*.maxQueueSize"),
    (
        Kind::QueueThreshold,
        "hystrix.threadpool.*.queueSizeRejectionThreshold",
    ),
    (Kind::ZuulStrategy, "zuul.ribbonIsolationStrategy"),
    (Kind::ZuulSemaphores, "zuul.semaphore.maxSemaphores"),
    (
        Kind::ZuulGroupSemaphores,
        "zuul.eureka.*.semaphore.maxSemaphores",
    ),
];

/// What has no counterpart, and why. The last ones are for what is not named.
const WITHOUT: [(&str, &str); 21] = [
    (
        "hystrix.command.*.execution.isolation.thread.interruptOnTimeout",
        "a call is always dropped at its timeout",
    ),
    (
        "hystrix.command.*.execution.isolation.thread.interruptOnFutureCancel",
        "a call is always dropped with its future",
    ),
    (
        "hystrix.command.*.fallback.enabled",
        "fallbacks are part of the code",
    ),
    (
        "hystrix.command.*.fallback.isolation.semaphore.maxConcurrentRequests",
        "fallbacks are part of the code, and so is the bulkhead of one",
    ),
    (
        "hystrix.command.*.metrics.healthSnapshot.intervalInMilliseconds",
        "each outcome is judged at once",
    ),
    (
        "hystrix.command.*.metrics.rollingPercentile.enabled",
        "latencies are always taken, over the window of the circuit breaker",
    ),
    (
        "hystrix.command.*.metrics.rollingPercentile.timeInMilliseconds",
        "latencies are those of the window of the circuit breaker",
    ),
    (
        "hystrix.command.*.metrics.rollingPercentile.numBuckets",
        "latencies have buckets of their own",
    ),
    (
        "hystrix.command.*.metrics.rollingPercentile.bucketSize",
        "latencies are counted, not kept",
    ),
    (
        "hystrix.command.*.requestCache.enabled",
        "there is no cache",
    ),
    (
        "hystrix.command.*.requestLog.enabled",
        "there is no log; observers are told",
    ),
    (
        "hystrix.command.*.threadPoolKeyOverride",
        "each pipeline has a bulkhead of its own",
    ),
    (
        "hystrix.threadpool.*.keepAliveTimeMinutes",
        "there are no threads",
    ),
    (
        "hystrix.threadpool.*.metrics.rollingStats.timeInMilliseconds",
        "a pipeline has one window, the circuit breaker's",
    ),
    (
        "hystrix.threadpool.*.metrics.rollingStats.numBuckets",
        "a pipeline has one window, the circuit breaker's",
    ),
    ("hystrix.collapser.*", "there is no collapser"),
    (
        "zuul.threadPool.*",
        "there are no threads; each pipeline has a bulkhead of its own",
    ),
    (
        "zuul.host.*",
        "the limits of an HTTP client are set on the client",
    ),
    (
        "hystrix.*",
        "no property of Hystrix's that has a counterpart",
    ),
    ("zuul.*", "no property of Zuul's that has a counterpart"),
    ("*", "neither Hystrix's nor Zuul's"),
];

/// For whom a property is: a pipeline by its name, or all.
pub(super) type Scope = Option<String>;

/// Finds out what a key is about.
pub(super) fn kind(key: &str) -> Result<(Kind, Scope), &'static str> {
    let known = KINDS
        .iter()
        .find_map(|(kind, template)| Some((*kind, matched(template, key)?)));
    if let Some((kind, scope)) = known {
        let scope = scope.filter(|name| name != "default");
        return match scope {
            Some(name) if name.is_empty() => Err("no name"),
            // There, it would not be a name.
            Some(name) if name.contains('*') => Err("a name with `*` stands for others"),
            scope => Ok((kind, scope)),
        };
    }
    let without = WITHOUT
        .iter()
        .find(|(template, _)| matched(template, key).is_some());
    Err(without.map_or("unknown", |(_, reason)| reason))
}

/// Returns what the star of a template stands for in a key, if the key is of this kind.
///
/// The rest is compared as Spring Boot's relaxed binding does: `max-semaphores` is `maxSemaphores`. Only the
/// name in place of the star may have dots.
fn matched(template: &str, key: &str) -> Option<Scope> {
    let relaxed = |segments: &[&str]| {
        let letters = segments.join(".").to_lowercase();
        letters.replace(['-', '_'], "")
    };
    let template: Vec<_> = template.split('.').collect();
    let key: Vec<_> = key.split('.').collect();
    let Some(star) = template.iter().position(|segment| *segment == "*") else {
        return (relaxed(&template) == relaxed(&key)).then_some(None);
    };
    let after = template.len() - star - 1;
    if key.len() < template.len() {
        return None;
    }
    let (before, rest) = key.split_at(star);
    let (name, end) = rest.split_at(rest.len() - after);
    let is_alike = relaxed(&template[..star]) == relaxed(before)
        && relaxed(&template[star + 1..]) == relaxed(end);
    is_alike.then(|| Some(name.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_letters_and_dots_and_the_rest_is_relaxed() {
        let named = |name: &str| Some(name.to_owned());
        for (key, kind_of, scope) in [
            (
                "hystrix.command.default.circuitBreaker.enabled",
                Kind::BreakerEnabled,
                None,
            ),
            (
                "hystrix.command.My-Client#get(a.B).circuit-breaker.enabled",
                Kind::BreakerEnabled,
                named("My-Client#get(a.B)"),
            ),
            ("zuul.semaphore.max-semaphores", Kind::ZuulSemaphores, None),
            ("zuul.semaphore.maxSemaphores", Kind::ZuulSemaphores, None),
            ("zuul.ribbon-isolation-strategy", Kind::ZuulStrategy, None),
            (
                "zuul.eureka.user-service.semaphore.maxSemaphores",
                Kind::ZuulGroupSemaphores,
                named("user-service"),
            ),
            (
                "hystrix.threadpool.a.metrics.max_queue_size",
                Kind::MaxQueueSize,
                named("a.metrics"),
            ),
        ] {
            assert_eq!(kind(key), Ok((kind_of, scope)), "{key}");
        }
    }

    #[test]
    fn what_has_no_counterpart_has_a_reason() {
        for (key, reason) in [
            (
                "hystrix.command.a.fallback.enabled",
                "fallbacks are part of the code",
            ),
            (
                "hystrix.collapser.a.maxRequestsInBatch",
                "there is no collapser",
            ),
            (
                "hystrix.command.execution.timeout.enabled",
                "no property of Hystrix's that has a counterpart",
            ),
            ("hystrix.command..execution.timeout.enabled", "no name"),
            (
                "hystrix.command.a*.execution.timeout.enabled",
                "a name with `*` stands for others",
            ),
            (
                "zuul.routes.a.path",
                "no property of Zuul's that has a counterpart",
            ),
            ("server.port", "neither Hystrix's nor Zuul's"),
            ("hystrix", "neither Hystrix's nor Zuul's"),
        ] {
            assert_eq!(kind(key), Err(reason), "{key}");
        }
    }
}
