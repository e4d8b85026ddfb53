//! Which pipelines are told of.

use super::*;

async fn told(body: &mut Subscriber) -> Vec<String> {
    let messages = next_messages(body).await;
    names(&messages).into_iter().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn pipelines_are_told_of_from_the_tick_after_they_came_to_the_one_after_they_went() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    let mut body = subscribe(&HystrixStream::new(&registry));
    assert_eq!(told(&mut body).await, ["inventory"]);
    registry.register(Pipeline::builder("search")).unwrap();
    assert_eq!(told(&mut body).await, ["inventory", "search"]);
    registry.remove("inventory").unwrap();
    assert_eq!(told(&mut body).await, ["search"]);
    registry.remove("search").unwrap();
    assert_eq!(read(&mut body).await, ":\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_of_its_own_registry_alone() {
    let registries = ["shop", "stock"].map(|name| {
        let registry = Registry::new();
        registry.register(Pipeline::builder(name)).unwrap();
        registry
    });
    let streams = registries.each_ref().map(HystrixStream::new);
    let [mut shop, mut stock] = streams.each_ref().map(subscribe);
    assert_eq!(told(&mut shop).await, ["shop"]);
    assert_eq!(told(&mut stock).await, ["stock"]);
    streams[0].shut_down();
    assert_eq!(told(&mut stock).await, ["stock"]);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_is_a_message_and_a_frame_is_a_tick() {
    let registry = Registry::new();
    let expected: Vec<_> = (0..500).map(|n| format!("upstream:{n:03}")).collect();
    for name in &expected {
        registry.register(Pipeline::builder(name.clone())).unwrap();
    }
    let mut body = subscribe(&HystrixStream::new(&registry));
    assert_eq!(told(&mut body).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_group_is_what_comes_before_the_first_colon() {
    let registry = Registry::new();
    let _set = registry.keyed("shop:routes", |builder| builder).unwrap();
    registry.register(Pipeline::builder("plain")).unwrap();
    let mut body = subscribe(&HystrixStream::new(&registry));
    let messages = next_messages(&mut body).await;
    let groups = messages.iter().map(|message| {
        assert_eq!(message["group"], message["threadPool"]);
        message["group"].as_str().unwrap()
    });
    assert_eq!(groups.collect::<Vec<_>>(), ["plain", "shop"]);
}
