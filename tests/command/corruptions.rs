//! Random corruptions of the files of a finished run: each is found by `verify`, or changes nothing that counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::ledger;
use crate::support::sandbox::Sandbox;

/// How many are tried, unless `VALUESIM_CORRUPTIONS` says otherwise.
const CORRUPTIONS: usize = 24;

/// The files that `verify` checks, the larger ones more often.
const FILES: [&str; 6] =
    ["ledger.redb", "ledger.redb", "predictions.parquet", "results.json", "report.md", "experiment.toml"];

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

/// Corrupts bytes in one of six ways; returns which.
fn corrupt(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let at = random.below(bytes.len());
    let length = (1 + random.below(64)).min(bytes.len() - at);
    match random.below(6) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            "a flipped bit"
        }
        1 => {
            bytes.truncate(at);
            "a cut"
        }
        2 => {
            bytes[at..at + length].fill(0);
            "zeros"
        }
        3 => {
            let more: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
            bytes.splice(at..at, more);
            "an insertion"
        }
        4 => {
            bytes.drain(at..at + length);
            "a removal"
        }
        _ => {
            let part = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() - length + 1);
            bytes[to..to + length].copy_from_slice(&part);
            "a part in another place"
        }
    }
}

/// Why an undetected corruption of a file changes nothing that counts.
fn reason(file: &str, folder: &Path, sound: &[ledger::Row]) -> &'static str {
    match file {
        "ledger.redb" => {
            assert!(ledger::cells(folder) == sound, "a changed cell was not found");
            "the database has unused pages and the remains of earlier ones, which nobody reads"
        }
        "experiment.toml" => "settings that decide no result (limits, prices, addresses, comments, blanks) may change",
        file => panic!("a corruption of {file} was not found"),
    }
}

#[test]
fn a_corrupted_file_is_found_or_nothing_that_counts_has_changed() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["run", "--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "full-info"])
        .expect_success();
    let folder = sandbox.run_folder("runs");
    let sound = ledger::cells(&folder);
    let corruptions = std::env::var("VALUESIM_CORRUPTIONS").map_or(CORRUPTIONS, |count| count.parse().unwrap());
    let (mut random, mut found, mut undetected) = (Random(15), 0, BTreeMap::<_, usize>::new());
    for _ in 0..corruptions {
        let name = FILES[random.below(FILES.len())];
        let original = fs::read(folder.join(name)).unwrap();
        let mut bytes = original.clone();
        let kind = corrupt(&mut bytes, &mut random);
        if bytes == original {
            *undetected.entry((name, kind, "the same bytes were there")).or_default() += 1;
            continue;
        }
        fs::write(folder.join(name), &bytes).unwrap();
        let output = sandbox.run(&["verify", folder.to_str().unwrap()]);
        assert!(!output.stderr.contains("panicked"), "{name}, {kind}: {}", output.stderr);
        assert!(fs::read(folder.join(name)).unwrap() == bytes, "verify changed {name}");
        match output.code {
            Some(0) => *undetected.entry((name, kind, reason(name, &folder, &sound))).or_default() += 1,
            Some(1 | 2 | 4) => found += 1,
            other => panic!("{name}, {kind}: exit code {other:?}\n{}{}", output.stdout, output.stderr),
        }
        fs::write(folder.join(name), &original).unwrap();
    }
    let list: Vec<String> =
        undetected.iter().map(|((name, kind, why), count)| format!("{count} x {name}, {kind}: {why}")).collect();
    println!("{found} of {corruptions} corruptions were found; the others:\n{}", list.join("\n"));
    assert!(found * 2 > corruptions, "{found} of {corruptions}");
}
