//! Pages that are open: how many, how long, and at whose cost.

use std::sync::atomic::Ordering;

use super::*;

#[tokio::test(start_paused = true)]
async fn all_pages_are_told_the_same_text_which_is_made_once_an_interval() {
    let (registry, reads) = watched();
    let settings = Settings::default().interval(ms(200)).subscribers(20);
    let dashboard = with(&registry, settings);
    let app: Router = dashboard.router();
    let mut pages = Vec::new();
    for _ in 0..20 {
        pages.push(Subscriber::open(&app).await);
    }
    let mut reads_a_text = None;
    for _ in 0..10 {
        reads.store(0, Ordering::Relaxed);
        let first = pages[0].read().await;
        for page in &mut pages[1..] {
            let text = page.read().await;
            assert_eq!(text.as_ptr(), first.as_ptr(), "one text for all");
        }
        let now = reads.load(Ordering::Relaxed);
        assert_eq!(*reads_a_text.get_or_insert(now), now);
        assert!(pages.iter_mut().all(|page| page.try_read().is_none()));
    }
    assert_eq!(
        reads_a_text,
        Some(2),
        "one for the snapshot, one for the history"
    );
    assert_eq!(dashboard.subscribers(), 20);
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_delays_nobody_and_is_told_the_newest_alone() {
    let (registry, _) = watched();
    let app: Router = Dashboard::new(&registry).router();
    let mut silent = Subscriber::open(&app).await;
    silent.read().await;
    let mut reader = Subscriber::open(&app).await;
    let mut newest = Bytes::new();
    for _ in 0..50 {
        newest = reader.read().await;
    }
    assert_eq!(silent.try_read(), Some(newest));
    assert_eq!(silent.try_read(), None);
}

#[tokio::test(start_paused = true)]
async fn while_no_page_is_open_no_clock_is_read_and_no_text_made() {
    let (registry, reads) = watched();
    let app: Router = Dashboard::new(&registry).router();
    get(&app, "/").await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(reads.load(Ordering::Relaxed), 0, "the sampler reads none");
    let mut page = Subscriber::open(&app).await;
    page.read().await;
    drop(page);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

async fn refused(app: &Router) -> (u16, String, String) {
    let answer = get(app, "/stream").await;
    let after = answer.headers["retry-after"].to_str().unwrap();
    (
        answer.status.as_u16(),
        after.to_owned(),
        answer.text().to_owned(),
    )
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_a_page_is_asked_to_come_again_and_can() {
    let (registry, _) = watched();
    let app: Router = with(&registry, Settings::default().subscribers(2)).router();
    let one = Subscriber::open(&app).await;
    let _two = Subscriber::open(&app).await;
    let too_many = (
        503,
        "5".to_owned(),
        "There are too many subscribers.".to_owned(),
    );
    assert_eq!(refused(&app).await, too_many);
    assert_eq!(
        ask(&app, Method::HEAD, "/stream").await.status,
        200,
        "it takes no place"
    );
    drop(one);
    Subscriber::open(&app).await.read().await;
}

#[tokio::test(start_paused = true)]
async fn shut_down_all_streams_end_and_the_page_is_still_there() {
    let (registry, _) = watched();
    let dashboard = Dashboard::new(&registry);
    let app: Router = dashboard.router();
    let mut page = Subscriber::open(&app).await;
    page.read().await;
    let mut end = tokio_test::task::spawn(page.0.frame());
    tokio_test::assert_pending!(end.poll());
    dashboard.shut_down();
    assert!(end.is_woken());
    assert!(tokio_test::assert_ready!(end.poll()).is_none());
    let over = (
        503,
        "5".to_owned(),
        "The stream has been shut down.".to_owned(),
    );
    assert_eq!(refused(&app).await, over);
    assert_eq!(dashboard.subscribers(), 0);
    for path in ["/", "/history", "/circuit?name=watched"] {
        assert_eq!(get(&app, path).await.status, 200);
    }
}

/// Here time is real.
#[tokio::test]
async fn a_server_with_open_pages_ends_gracefully() {
    let registry = Registry::new();
    register(&registry, "inventory");
    let dashboard = with(&registry, Settings::default().interval(ms(100)));
    let app: Router = Router::new().nest("/ops", dashboard.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ops/stream", listener.local_addr().unwrap());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let signal = async move {
            let _ = ended.await;
            dashboard.shut_down();
        };
        axum::serve(listener, app)
            .with_graceful_shutdown(signal)
            .await
    });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut page = soon(client.get(url).send()).await.unwrap();
    let mut read = String::new();
    while read.matches("\"name\":\"inventory\"").count() < 3 {
        let chunk = soon(page.chunk())
            .await
            .unwrap()
            .expect("the stream goes on");
        read.push_str(str::from_utf8(&chunk).unwrap());
    }
    end.send(()).unwrap();
    soon(async { while page.chunk().await.unwrap().is_some() {} }).await;
    soon(server).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_browser_hears_something_every_five_seconds_also_between_rare_texts() {
    let (registry, _) = watched();
    let minute = Settings::default().interval(Duration::from_secs(60));
    let app: Router = with(&registry, minute).router();
    let mut page = Subscriber::open(&app).await;
    assert_eq!(state(&page.read().await)["interval"], 60.0);
    for _ in 0..11 {
        let comment = tokio::time::timeout(ms(5_010), page.read()).await;
        assert_eq!(comment.unwrap(), ":\n\n");
    }
    state(&page.read().await);
}
