//! Measures the survey loader at full size: its time relative to a bare pass of the csv crate, and its memory.
//!
//! Writes a file of the official size and shape into a temporary folder, then alternates bare passes and loads, so that
//! noise affects both. Memory is the growth of peak resident memory (`VmHWM`) over resident memory (`VmRSS`) before the
//! first load, minus the codes that the survey keeps. Fails if a bound is exceeded.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{QuestionId, Respondent};
use valuesim_shared::survey::Survey;

/// Respondents of the official file v6.0.
const ROWS: usize = 97_220;

/// The number of bare passes, and of loads.
const ROUNDS: usize = 7;

/// The most time that a load may take, relative to a bare pass.
const MAX_RATIO: f64 = 2.0;

/// The most memory that a load may take in addition to the codes.
const MAX_MEGABYTES: f64 = 60.0;

fn main() -> io::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("survey.csv");
    let codebook = Codebook::built_in();
    write_survey(&file, &codebook)?;
    println!("{ROWS} rows, {:.0} MB", megabytes(fs::metadata(&file)?.len()));

    let memory = memory_above_codes(&file, &codebook)?;
    let (mut passes, mut loads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        passes.push(timed(|| bare_pass(&file)));
        loads.push(timed(|| load(&file, &codebook).respondents()));
    }
    let (pass, load) = (median(passes), median(loads));
    let ratio = load.as_secs_f64() / pass.as_secs_f64();
    println!("bare csv pass {pass:.3?}, load {load:.3?} (medians of {ROUNDS}): ratio {ratio:.2}, at most {MAX_RATIO}");
    println!("peak memory above the codes kept: {memory:.1} MB, at most {MAX_MEGABYTES}");
    let holds = ratio <= MAX_RATIO && memory <= MAX_MEGABYTES;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(file: &Path, codebook: &Codebook) -> Survey {
    Survey::load(file, codebook).expect("the file is a valid survey")
}

/// Reads all rows with the csv crate alone.
fn bare_pass(file: &Path) -> usize {
    let mut reader = csv::Reader::from_path(file).expect("the file was just written");
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).expect("all rows are valid") {
        rows += 1;
    }
    rows
}

fn timed(pass: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    assert_eq!(pass(), ROWS);
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn memory_above_codes(file: &Path, codebook: &Codebook) -> io::Result<f64> {
    // Resets the peak, which comes from writing the file.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status_bytes("VmRSS:")?;
    let survey = load(file, codebook);
    let peak = status_bytes("VmHWM:")?;
    let kept = bytes_of_codes(&survey);
    println!("before {:.1} MB, peak {:.1} MB, codes {:.1} MB", megabytes(before), megabytes(peak), megabytes(kept));
    Ok(megabytes(peak.saturating_sub(before).saturating_sub(kept)))
}

fn status_bytes(field: &str) -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
    Ok(kilobytes * 1024)
}

/// The size of the survey's data: two bytes for each country, and for each code the width of its question's column.
fn bytes_of_codes(survey: &Survey) -> u64 {
    let width = |question| {
        let most = (0..survey.respondents()).map(|row| survey.code(Respondent::from_index(row), question).0).max();
        match most.unwrap_or_default() {
            ..=127 => 1,
            128..=32_767 => 2,
            _ => 4,
        }
    };
    (2 + QuestionId::all().map(width).sum::<u64>()) * survey.respondents() as u64
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn write_survey(file: &Path, codebook: &Codebook) -> io::Result<()> {
    let columns = columns()?;
    let mut out = BufWriter::new(File::create(file)?);
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    writeln!(out, "{}", names.join(","))?;
    let mut draw = Draw(1);
    for row in 0..ROWS {
        let country = Codebook::surveyed()[row * Codebook::surveyed().len() / ROWS].0;
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            column.write(&mut out, codebook, country, &mut draw)?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A column of the official file.
struct Column {
    name: String,
    question: Option<QuestionId>,
    kind: String,
    share_blank: f64,
}

fn columns() -> io::Result<Vec<Column>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/wvs7_v6_columns.json");
    let fixture: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    let columns: Vec<(String, String, f64)> = serde_json::from_value(fixture["columns"].clone())?;
    let column = |(name, kind, share_blank): (String, String, f64)| {
        let question = name.parse().ok();
        Column { name, question, kind, share_blank }
    };
    Ok(columns.into_iter().map(column).collect())
}

impl Column {
    fn write(&self, out: &mut impl Write, codebook: &Codebook, country: u16, draw: &mut Draw) -> io::Result<()> {
        match (self.name.as_str(), self.question) {
            ("version", _) => out.write_all(b"6-0-0 (2024-04-30)"),
            ("doi", _) => out.write_all(b"doi.org/10.14281/18241.24"),
            ("B_COUNTRY", _) => write!(out, "{country}"),
            (_, Some(id)) => write!(out, "{}", answer(codebook.question(id), country, draw)),
            _ if draw.share() < self.share_blank => Ok(()),
            _ if self.kind == "str" => out.write_all(b"\"X, Y\""),
            _ if self.kind == "float" => write!(out, "{:.2}", draw.share()),
            _ => write!(out, "{}", draw.below(60)),
        }
    }
}

/// A code of the question, or in one case out of twenty a missing code.
fn answer(question: &Question, country: u16, draw: &mut Draw) -> i32 {
    if draw.below(20) == 0 {
        return -1 - draw.below(2);
    }
    match (question.options.as_slice(), question.range) {
        ([], Some((least, most))) => least + draw.below(most - least + 1),
        ([], None) => i32::from(country) * 1000 + draw.below(20),
        (options, _) => options[usize::try_from(draw.next()).unwrap_or(0) % options.len()].code.0,
    }
}

/// Reproducible pseudorandom numbers (splitmix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: i32) -> i32 {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        i32::try_from(self.next() % bound).unwrap_or(0)
    }

    fn share(&mut self) -> f64 {
        f64::from(self.below(1 << 24)) / f64::from(1 << 24)
    }
}
