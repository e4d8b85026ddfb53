//! Server-sent events for many readers (WHATWG HTML, 9.2): the same text for all of them, once an interval.

mod answer;
mod body;
mod ticks;

pub(crate) use self::answer::{EventStream, check, event};

#[cfg_attr(
    not(feature = "hystrix-stream"),
    expect(unreachable_pub, reason = "it is that feature which shows it")
)]
pub use self::body::StreamBody;
