//! Settings as they stand in files.

use std::time::Duration;

use portcullis::bulkhead::{Order, QueueSettings, Settings};

#[test]
fn what_a_file_leaves_out_has_its_default() {
    let read: QueueSettings =
        serde_json::from_str(r#"{"order": "lifo", "longest_wait": "250ms"}"#).unwrap();
    let expected = QueueSettings::default()
        .order(Order::Lifo)
        .longest_wait(Duration::from_millis(250));
    assert_eq!(read, expected);
    assert_eq!(
        serde_json::from_str::<Settings>("{}").unwrap(),
        Settings::default()
    );
}

#[test]
fn what_a_file_misspells_is_an_error() {
    assert!(serde_json::from_str::<Settings>(r#"{"limits": 3}"#).is_err());
}
