//! The parts of an outcome that is too long for a message.

use bytes::Bytes;
use valuesim_shared::store::Store as _;
use valuesim_test_servers::shared_redis;

use crate::support::{cell, run, store};

#[tokio::test]
async fn parts_come_back_in_their_order_until_the_cell_is_forgotten() {
    let server = shared_redis().await;
    let store = store(&server.url).await;
    let (run, cell) = (run("parts"), cell(1));
    let parts = [Bytes::from(vec![1; 3_000_000]), Bytes::from_static(b"two")];
    // Another outcome of the cell, and the same once more, as after an answer that was lost.
    for digest in ["other", "ours", "ours"] {
        store.put_outcome_parts(&run, cell, digest, &parts).await.expect("writes");
    }
    let read = store.outcome_parts(&run, cell, "ours", 3).await.expect("reads");
    assert_eq!(read, parts.map(|part| part.to_vec()));
    store.forget(&run, cell).await.expect("forgets");
    assert!(store.outcome_parts(&run, cell, "ours", 2).await.expect("reads").is_empty());
}
