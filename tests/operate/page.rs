//! The page of a fleet: dead letters are listed, shown and replayed by reason, and who did it and why is kept.

use serde_json::{Value, json};
use valuesim_shared::control::Control as _;
use valuesim_shared::queue::QueueKind;

use crate::dead::{letter, publish};
use crate::support::{Browser, Operator, STORY, about, name, task, until, until_waiting};

const TOKEN: &str = "a token for the tests of the page";

fn signed_in(url: &str) -> Browser {
    let mut browser = Browser::at(url);
    let response = browser.post("/api/session", &json!({ "token": TOKEN }));
    let cookie = response.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    browser.cookie = cookie.split(';').next().map(str::to_owned);
    browser
}

/// The first object that a line of the events has after `data: `, for which `is_meant` holds.
fn event(browser: &Browser, is_meant: impl Fn(&Value) -> bool) -> Value {
    let data = browser.events().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
    let mut meant = data.filter(is_meant);
    meant.next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_replayed_by_reason_with_progress_and_a_reason_of_ones_own() {
    let operator = Operator::new().await;
    let (queue, control, dead) = (operator.queue().await, operator.control().await, name(QueueKind::Dead));
    let broken = |respondent| letter(&task(respondent, &["w1: boom"]).to_bytes());
    publish(&queue, [broken(7), letter(b"\xff<b>not a task</b>"), broken(8)]).await;
    control.announce(&about()).await.unwrap();
    operator.sandbox.write("token", TOKEN);
    let mut dashboard = operator.start(&["dashboard", "--page-token-file", "token"]);
    let line = dashboard.wait_for_line("live page: ");
    let url = line.split_once("live page: ").unwrap().1.trim();
    let visitor = Browser::at(url);

    let status = visitor.get("/api/status").json();
    let told = &operator.json(&["status"])[0];
    for pointer in ["/runs/0/about", "/runs/0/queues", "/runs/0/waiting", "/runs/0/money"] {
        assert!(status.pointer(pointer).is_some(), "{status:#}");
        assert_eq!(status.pointer(pointer), told.pointer(pointer), "{pointer}");
    }
    let listed = visitor.get("/api/dead/r1").json();
    assert_eq!(listed["waiting"], 3);
    assert!(listed["letters"][0].get("message").is_none(), "{listed}");
    until_waiting(&queue, &dead, 3).await;
    let id = listed["letters"][1]["letter"].as_str().unwrap();
    let whole = visitor.get(&format!("/api/dead/r1/{id}")).json();
    assert!(whole["message"].as_str().unwrap().contains("<b>not a task</b>"), "{whole}");
    until_waiting(&queue, &dead, 3).await;

    let filter = json!({ "kind": "story task", "reason": "it broke off 5 times" });
    let replay = json!({ "run": "r1", "act": "replay", "filter": filter, "reason": "the bug is mended", "by": "ada" });
    assert_eq!(visitor.post("/api/dead/settle", &replay).status, 401);
    let response = signed_in(url).post("/api/dead/settle", &replay);
    assert_eq!(response.status, 202, "{response:?}");
    let doings = event(&visitor, |data| data[0]["state"] == "done");
    assert_eq!(doings[0]["text"], "replayed 2 letters, 1 stays");
    assert!(doings[0]["progress"][1].as_u64().is_some_and(|of| of > 0), "{doings}");
    until_waiting(&queue, &name(STORY), 2).await;
    until_waiting(&queue, &dead, 1).await;

    let is_noted = async || !control.changes(&about().run).await.unwrap().is_empty();
    until("a note of the change", is_noted).await;
    let text = operator.run(&["status", "r1"]).expect_success().stdout;
    for part in ["ada (page)", "replay dead letters", "the bug is mended", "replayed 2 letters, 1 stays"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let again = signed_in(url).post("/api/dead/settle", &replay);
    assert_eq!(again.status, 202, "{again:?}");
    let failed = event(&visitor, |data| data[1]["state"] == "failed");
    assert!(failed[1]["text"].as_str().unwrap().contains("no dead letter of this kind and reason is left"), "{failed}");
    dashboard.interrupt();
    dashboard.wait().expect_success();
}
