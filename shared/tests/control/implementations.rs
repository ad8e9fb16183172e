//! The implementations, each on its own place, with time made to pass.

use std::future::Future;
use std::time::{Duration, SystemTime};

use redis::aio::MultiplexedConnection;
use valuesim_shared::control::{Control, FolderControl, LEASE_EXPIRY, MemoryControl, REPORT_EXPIRY, RedisControl};
use valuesim_test_servers::{Database, shared_redis};

/// Longer than what is told stays.
const LONG: Duration = Duration::from_secs(LEASE_EXPIRY.as_secs() + REPORT_EXPIRY.as_secs());

/// One implementation, as two processes see it.
pub(crate) trait Implementation {
    type Control: Control;

    fn one(&self) -> Self::Control;

    fn other(&self) -> Self::Control;

    /// Lets so much time pass that reports and leases expire, or makes it so that it seems to have passed.
    fn wait_for_expiry(&self) -> impl Future<Output = ()>;
}

pub(crate) struct Memory(MemoryControl);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(MemoryControl::in_memory())
    }
}

impl Implementation for Memory {
    type Control = MemoryControl;

    fn one(&self) -> MemoryControl {
        self.0.clone()
    }

    fn other(&self) -> MemoryControl {
        self.0.clone()
    }

    async fn wait_for_expiry(&self) {
        tokio::time::pause();
        tokio::time::advance(LONG).await;
        tokio::time::resume();
    }
}

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Implementation for Folder {
    type Control = FolderControl;

    fn one(&self) -> FolderControl {
        FolderControl::in_folder(self.0.path().join("control"))
    }

    fn other(&self) -> FolderControl {
        self.one()
    }

    async fn wait_for_expiry(&self) {
        let before = SystemTime::now() - LONG;
        for file in std::fs::read_dir(self.0.path().join("control")).expect("lists") {
            let path = file.expect("lists").path();
            let file = std::fs::File::options().write(true).open(path).expect("opens");
            file.set_modified(before).expect("sets the time");
        }
    }
}

pub(crate) struct Redis {
    one: RedisControl,
    other: RedisControl,
    plain: MultiplexedConnection,
    _database: Database,
}

impl Redis {
    pub(crate) async fn new() -> Self {
        let database = shared_redis().await;
        let connect = async || RedisControl::connect(&database.url.parse().expect("is an address")).await;
        let (one, other) = (connect().await.expect("connects"), connect().await.expect("connects"));
        let client = redis::Client::open(database.url.as_str()).expect("is an address");
        let plain = client.get_multiplexed_async_connection().await.expect("connects");
        Self { one, other, plain, _database: database }
    }
}

impl Implementation for Redis {
    type Control = RedisControl;

    fn one(&self) -> RedisControl {
        self.one.clone()
    }

    fn other(&self) -> RedisControl {
        self.other.clone()
    }

    async fn wait_for_expiry(&self) {
        let mut plain = self.plain.clone();
        for pattern in ["valuesim:{workers}:*", "valuesim:{coordinators}:*", "valuesim:{*}:leader"] {
            let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut plain).await.expect("lists");
            for key in keys {
                let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut plain).await.expect("reads");
                assert!((0..=10).contains(&left), "{key} stays for {left} s");
                let () = redis::cmd("PEXPIRE").arg(&key).arg(0).query_async(&mut plain).await.expect("writes");
            }
        }
    }
}

/// The suite for one implementation.
macro_rules! suite {
    ($name:ident, $implementation:expr) => {
        mod $name {
            suite!(@tests $implementation; an_order_is_seen_by_all_who_follow
                processes_are_listed_until_they_end_or_are_silent_for_long a_report_of_a_newer_release_is_counted
                changes_are_kept_the_latest_first_and_not_for_ever a_history_is_kept_until_another_replaces_it
                an_order_of_a_newer_release_is_no_reason_to_go_on
                runs_are_listed_with_the_orders_for_them_until_they_are_struck_out
                scores_are_replaced_and_outlive_their_coordinator
                an_order_that_was_lost_is_given_again_and_none_is_replaced
                a_run_has_one_leader_until_it_gives_the_lead_up_or_is_silent_for_long
                of_two_leaders_the_one_that_started_first_stays of_many_who_would_lead_at_once_one_does
                any_name_is_a_name);
        }
    };
    (@tests $implementation:expr; $($test:ident)*) => {
        $(#[tokio::test]
        async fn $test() {
            crate::conformance::$test($implementation.await).await;
        })*
    };
}

suite!(memory, std::future::ready(crate::implementations::Memory::new()));
suite!(folder, std::future::ready(crate::implementations::Folder::new()));
suite!(redis_server, crate::implementations::Redis::new());
