//! An address for probes that is already in use is reported before any work begins.

use std::net::TcpListener;

use valuesim_simulator::provider::ProviderOptions;

use crate::process::Fleet;

#[tokio::test]
async fn an_address_in_use_is_a_users_mistake() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = taken.local_addr().expect("has an address").to_string();
    // Nothing listens at these addresses, and nothing connects to them.
    let fleet = Fleet::new("amqp://127.0.0.1:9", "redis://127.0.0.1:9", ProviderOptions::default()).await;
    let url = fleet.provider.base_url();
    let coordinate = ["--synthetic", "60", "--users", "1", "--model", "m", "--base-url", &url];
    for (verb, flags) in [("work", &[][..]), ("coordinate", &coordinate[..])] {
        let mut process = fleet.start(verb, &[flags, &["--http", &address]].concat());
        let status = process.wait().await;
        let stderr = process.stderr();
        assert_eq!(status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!("error: listen at {address} for probes and metrics: ")), "{stderr}");
    }
}
