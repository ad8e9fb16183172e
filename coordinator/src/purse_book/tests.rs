//! The book alone: what it keeps, and what it refuses.

use valuesim_shared::budget::statement::Account;

use super::*;

fn limits() -> Vec<PurseLimit> {
    let limit = |name: &str, limit, models: &[usize]| PurseLimit {
        name: name.to_owned(),
        limit: NanoUsd(limit),
        spent: NanoUsd(5),
        models: models.to_vec(),
    };
    vec![limit("the run", 1_000, &[0, 1]), limit("model \"b\"", 200, &[1])]
}

#[test]
fn what_is_kept_is_found_again_and_anything_else_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |models| PurseBook::read(folder.path(), limits(), models);
    assert!(read(2).expect("reads").is_none());
    let mut book = PurseBook::new(limits(), vec![NanoUsd(100), NanoUsd(0)]);
    book.begin_life("1".to_owned(), Instant::now());
    book.kept.open.insert("w".to_owned(), vec![NanoUsd(7), NanoUsd(0)]);
    book.keep(folder.path()).expect("writes");
    let found = read(2).expect("reads").expect("is there");
    assert_eq!(found.kept, book.kept);
    let used = found.used();
    assert_eq!((used.spent, used.reserved), (NanoUsd(105), NanoUsd(7)));
    assert!(read(1).expect_err("other models").to_string().contains("it has 2 models, and the run has 1"));
    std::fs::write(folder.path().join(BOOK_FILE), "{").expect("writes");
    assert!(read(2).expect_err("no book").to_string().contains("what workers have drawn"));
}

#[test]
fn what_a_fleet_has_spent_is_not_forgotten_when_one_process_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let leave =
        |recorded: [u64; 2]| PurseBook::leave_to_one_process(folder.path(), &recorded.map(NanoUsd)).expect("writes");
    assert_eq!(leave([0, 0]), None);
    let mut book = PurseBook::new(limits(), vec![NanoUsd(100), NanoUsd(0)]);
    book.kept.closed = vec![NanoUsd(30), NanoUsd(2)];
    book.kept.open.insert("w".to_owned(), vec![NanoUsd(7), NanoUsd(0)]);
    book.is_changed = true;
    book.keep(folder.path()).expect("writes");
    // The ledger knows of 90 of the 137, and of 2 of the 2.
    assert_eq!(leave([90, 2]), Some(vec![NanoUsd(47), NanoUsd(0)]));
    // One process has spent 60 meanwhile, and is started once more.
    assert_eq!(leave([150, 2]), Some(vec![NanoUsd(47), NanoUsd(0)]));
    let mut book = PurseBook::read(folder.path(), limits(), 2).expect("reads").expect("is there");
    assert!(book.is_left_to_one_process());
    book.take_back(&[NanoUsd(150), NanoUsd(2)]);
    let used = book.used();
    assert_eq!((used.spent, used.reserved), (NanoUsd(5 + 197 + 2), NanoUsd(0)));
    book.keep(folder.path()).expect("writes");
    let again = PurseBook::read(folder.path(), limits(), 2).expect("reads").expect("is there");
    assert!(!again.is_left_to_one_process() && again.used() == used);
}

#[test]
fn a_purse_without_a_last_statement_is_spent_in_full() {
    let drawn = || {
        let mut book = PurseBook::new(limits(), vec![NanoUsd(0); 2]);
        book.kept.open.insert("w".to_owned(), vec![NanoUsd(50), NanoUsd(20)]);
        book
    };
    let spent = |last: Option<&Statement>| {
        let mut book = drawn();
        book.close("w", last);
        book.kept.closed.clone()
    };
    let account = Account { spent: NanoUsd(30), reserved: NanoUsd(5), ..Account::default() };
    let last = Statement { number: 1, models: vec![account, Account::default()], is_last: true };
    assert_eq!(spent(None), [NanoUsd(50), NanoUsd(20)]);
    assert_eq!(spent(Some(&last)), [NanoUsd(35), NanoUsd(0)]);
}

#[test]
fn each_share_of_each_limit_is_told_once_and_again_when_the_limit_is_another() {
    let mut book = PurseBook::new(limits(), vec![NanoUsd(0); 2]);
    assert_eq!(book.warnings(), Vec::<String>::new());
    book.kept.closed = vec![NanoUsd(400), NanoUsd(160)];
    let told = book.warnings();
    assert!(told[0].contains("50 % of the budget") && told[1].contains("model \"b\""), "{told:?}");
    assert!(told.len() == 2 && book.warnings().is_empty());
    assert!(book.set_limit(NanoUsd(600)) && !book.set_limit(NanoUsd(600)));
    book.kept.closed[0] = NanoUsd(425);
    assert!(book.warnings()[0].contains("95 %"));
}
