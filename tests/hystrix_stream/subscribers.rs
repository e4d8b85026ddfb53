//! Many who read, slowly, not at all, or too many.

use std::{
    sync::{Mutex, atomic::AtomicBool, mpsc},
    thread::JoinHandle,
};

use portcullis::hystrix_stream::Content;

use super::*;

/// Longer than threads take, in real time.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_text_is_made_once_a_tick_for_all_subscribers() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    assert_eq!(texts.load(Ordering::Relaxed), 0, "nobody reads");
    let mut bodies: Vec<_> = (0..20).map(|_| subscribe(&stream)).collect();
    for tick in 1..=10 {
        let mut read_by_all = Vec::new();
        for body in &mut bodies {
            read_by_all.push(read(body).await);
        }
        assert!(read_by_all.iter().all(|text| *text == read_by_all[0]));
        assert_eq!(texts.load(Ordering::Relaxed), tick);
        assert!(bodies.iter_mut().all(|body| try_read(body).is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn texts_come_at_once_and_then_at_the_interval() {
    let (registry, _) = watched();
    let stream = with(&registry, Settings::default().interval(ms(200)));
    tokio::time::advance(ms(70)).await;
    let mut body = subscribe(&stream);
    assert!(try_read(&mut body).is_some());
    tokio::time::advance(ms(120)).await;
    assert_eq!(try_read(&mut body), None);
    tokio::time::advance(ms(11)).await;
    assert!(try_read(&mut body).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_comes_within_a_tick_is_sent_the_text_that_is_there() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut early = subscribe(&stream);
    let first = read(&mut early).await;
    tokio::time::advance(ms(300)).await;
    let mut late = subscribe(&stream);
    assert_eq!(try_read(&mut late), Some(first));
    assert_eq!(texts.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_delays_nobody_and_is_sent_the_newest_text_alone() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut silent = subscribe(&stream);
    assert!(try_read(&mut silent).is_some());
    let mut reader = subscribe(&stream);
    let mut newest = String::new();
    for _ in 0..100 {
        newest = read(&mut reader).await;
    }
    assert_eq!(texts.load(Ordering::Relaxed), 100);
    assert_eq!(try_read(&mut silent), Some(newest));
    assert_eq!(try_read(&mut silent), None);
}

#[tokio::test(start_paused = true)]
async fn all_wait_for_one_tick_and_are_woken_by_it() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut bodies: Vec<_> = (0..5).map(|_| subscribe(&stream)).collect();
    for body in &mut bodies {
        read(body).await;
    }
    let reading = bodies.iter_mut().map(read);
    soon(futures_util::future::join_all(reading)).await;
    assert_eq!(texts.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_while_nobody_reads_and_the_next_reads_no_old_text() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut body = subscribe(&stream);
    read(&mut body).await;
    drop(body);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(texts.load(Ordering::Relaxed), 1);
    let mut body = subscribe(&stream);
    assert!(try_read(&mut body).is_some());
    assert_eq!(texts.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_text_goes_with_the_last_reader() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut bodies: Vec<_> = (0..2).map(|_| subscribe(&stream)).collect();
    for body in &mut bodies {
        read(body).await;
    }
    bodies.pop();
    read(&mut subscribe(&stream)).await;
    assert_eq!(
        texts.load(Ordering::Relaxed),
        1,
        "one is left to share it with"
    );
    drop(bodies);
    read(&mut subscribe(&stream)).await;
    assert_eq!(texts.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_comment_is_sent_where_there_is_no_pipeline_and_pipelines_as_soon_as_there_are() {
    let registry = Registry::new();
    let mut body = subscribe(&HystrixStream::new(&registry));
    assert_eq!(read(&mut body).await, ":\n\n");
    registry.register(Pipeline::builder("inventory")).unwrap();
    assert_eq!(names(&next_messages(&mut body).await), ["inventory"]);
}

#[tokio::test(start_paused = true)]
async fn no_subscriber_hears_nothing_for_more_than_five_seconds() {
    let (registry, texts) = watched();
    let minute = Settings::default().interval(Duration::from_secs(60));
    let mut body = subscribe(&with(&registry, minute));
    for _ in 0..3 {
        assert!(read(&mut body).await.starts_with("data: "));
        for _ in 0..11 {
            let comment = tokio::time::timeout(ms(5_010), read(&mut body)).await;
            assert_eq!(comment.unwrap(), ":\n\n");
        }
    }
    assert_eq!(texts.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_there_is_no_place_until_one_is_given_back() {
    let (registry, _) = watched();
    let stream = with(&registry, Settings::default().subscribers(2));
    let (one, two) = (subscribe(&stream), subscribe(&stream));
    assert_eq!(stream.subscribers(), 2);
    let refused = ask(&stream, Method::GET);
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let why = soon(refused.into_body().collect()).await.unwrap();
    assert_eq!(text(&why.to_bytes()), "There are too many subscribers.");
    drop(one);
    let three = subscribe(&stream);
    assert_eq!(stream.subscribers(), 2);
    drop((two, three));
    assert_eq!(stream.subscribers(), 0);
}

#[tokio::test(start_paused = true)]
async fn shut_down_all_streams_end_at_once_and_give_their_places_back() {
    let (registry, texts) = watched();
    let stream = HystrixStream::new(&registry);
    let mut waiting = subscribe(&stream);
    read(&mut waiting).await;
    let mut unread = subscribe(&stream);
    let mut end = tokio_test::task::spawn(waiting.frame());
    tokio_test::assert_pending!(end.poll());

    stream.shut_down();
    assert!(end.is_woken(), "without a tick");
    assert!(tokio_test::assert_ready!(end.poll()).is_none());
    drop(end);
    assert!(unread.frame().now_or_never().expect("an end").is_none());
    assert_eq!(stream.subscribers(), 0, "though the bodies are there");
    assert_eq!(texts.load(Ordering::Relaxed), 1);

    let refused = ask(&stream, Method::GET);
    assert_eq!(refused.status(), 503);
    let why = soon(refused.into_body().collect()).await.unwrap();
    assert_eq!(text(&why.to_bytes()), "The stream has been shut down.");
}

#[tokio::test(start_paused = true)]
async fn head_takes_no_place_and_writing_is_forbidden() {
    let (registry, _) = watched();
    let stream = with(&registry, Settings::default().subscribers(1));
    let _only = subscribe(&stream);
    let head = ask(&stream, Method::HEAD);
    assert_eq!(head.status(), 200);
    assert_eq!(
        head.headers()["content-type"],
        "text/event-stream;charset=UTF-8"
    );
    assert!(
        soon(head.into_body().collect())
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
    let post = ask(&stream, Method::POST);
    assert_eq!(
        (post.status().as_u16(), &post.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn a_clock_that_panics_ends_one_stream_and_no_other() {
    // Without a runtime first: a stream may be made before there is one.
    let registry = Registry::new();
    let stream = HystrixStream::new(&registry);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let panics = Arc::new(AtomicUsize::new(0));
        let clock = Clock::from_fn({
            let panics = Arc::clone(&panics);
            move || match panics.load(Ordering::Relaxed) {
                0 => Tick::ZERO,
                _ => std::panic::resume_unwind(Box::new("the clock's own")),
            }
        });
        let builder = Pipeline::builder("inventory").clock(clock);
        registry.register(builder).unwrap();
        panics.store(1, Ordering::Relaxed);
        let mut unlucky = subscribe(&stream);
        let reading = std::panic::AssertUnwindSafe(|| try_read(&mut unlucky));
        assert!(std::panic::catch_unwind(reading).is_err());
        panics.store(0, Ordering::Relaxed);
        let mut body = subscribe(&stream);
        let _ = try_read(&mut body);
        assert!(read(&mut body).await.starts_with("data: "));
    });
}

/// A registry with one pipeline, whose clock may be made to stop whoever reads it.
struct Slow {
    registry: Registry,
    is_slow: Arc<AtomicBool>,
    begins: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl Slow {
    fn new() -> Self {
        let (begun, begins) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let may_go_on = Mutex::new(may_go_on);
        let is_slow = Arc::new(AtomicBool::new(false));
        let clock = Clock::from_fn({
            let is_slow = Arc::clone(&is_slow);
            move || {
                if is_slow.swap(false, Ordering::Relaxed) {
                    begun.send(()).unwrap();
                    may_go_on.lock().unwrap().recv_timeout(LONG).unwrap();
                }
                Tick::ZERO
            }
        });
        let registry = Registry::new();
        let builder = Pipeline::builder("inventory").clock(clock);
        registry.register(builder).unwrap();
        Self {
            registry,
            is_slow,
            begins,
            go_on,
        }
    }

    /// Begins to read on another thread, and is stopped where the text is made.
    fn begin(&self, mut body: Subscriber) -> JoinHandle<Option<String>> {
        let runtime = tokio::runtime::Handle::current();
        self.is_slow.store(true, Ordering::Relaxed);
        let making = std::thread::spawn(move || {
            let _guard = runtime.enter();
            try_read(&mut body)
        });
        self.begins.recv_timeout(LONG).unwrap();
        making
    }

    fn end(&self, making: JoinHandle<Option<String>>) -> String {
        self.go_on.send(()).unwrap();
        making.join().unwrap().expect("a text")
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_text_is_made_nobody_waits_for_its_maker_and_all_are_woken_by_it() {
    let slow = Slow::new();
    let stream = HystrixStream::new(&slow.registry);
    let making = slow.begin(subscribe(&stream));
    let mut other = subscribe(&stream);
    let mut waiting = tokio_test::task::spawn(other.frame());
    tokio_test::assert_pending!(waiting.poll());
    let made = slow.end(making);
    assert!(waiting.is_woken());
    let frame = tokio_test::assert_ready!(waiting.poll()).unwrap().unwrap();
    assert_eq!(text(&frame.into_data().unwrap()), made);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_text_that_is_being_made_hears_a_comment_within_five_seconds() {
    let slow = Slow::new();
    let settings = Settings::default().interval(Duration::from_secs(12));
    let stream = with(&slow.registry, settings);
    let making = slow.begin(subscribe(&stream));
    let mut other = subscribe(&stream);
    for _ in 0..2 {
        let comment = tokio::time::timeout(ms(5_010), read(&mut other)).await;
        assert_eq!(comment.unwrap(), ":\n\n");
    }
    slow.end(making);
}

/// Threads that all make texts would be missing elsewhere, just when there is much to tell.
#[tokio::test(start_paused = true)]
async fn while_a_text_takes_longer_than_an_interval_nobody_begins_another() {
    let slow = Slow::new();
    let stream = HystrixStream::new(&slow.registry);
    let making = slow.begin(subscribe(&stream));
    let builder = Pipeline::builder("search");
    slow.registry.register(builder).unwrap();
    tokio::time::advance(ms(500)).await;
    let mut other = subscribe(&stream);
    assert_eq!(try_read(&mut other), None);
    let late = slow.end(making);
    assert_eq!(try_read(&mut other), Some(late));
    tokio::time::advance(ms(500)).await;
    let next = read(&mut other).await;
    assert_eq!(names(&messages(&next)), ["inventory", "search"]);
}

#[test]
fn settings_out_of_their_range_are_refused_by_name() {
    let refused = |settings| {
        let error = HystrixStream::with(&Registry::new(), settings).unwrap_err();
        error.to_string()
    };
    let interval = |interval| refused(Settings::default().interval(interval));
    assert_eq!(
        interval(ms(99)),
        "interval is 99ms; allowed: from 100ms to 60s"
    );
    assert_eq!(
        interval(ms(60_001)),
        "interval is 60.001s; allowed: from 100ms to 60s"
    );
    let subscribers = |number| refused(Settings::config().subscribers(number));
    assert_eq!(subscribers(0), "subscribers is 0; allowed: from 1 to 1000");
    assert_eq!(
        subscribers(1_001),
        "subscribers is 1001; allowed: from 1 to 1000"
    );
    let widest = Settings::default().interval(ms(100)).subscribers(1_000);
    assert_eq!(widest.content, Content::Metrics);
    assert!(HystrixStream::with(&Registry::new(), widest).is_ok());
}
