//! One shell for a page: variables and background processes last from one step to the next.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::output::{Numbers, compare};
use crate::page::Step;
use crate::root;

/// The line of a page that stands for a press of Ctrl-C.
const INTERRUPT: &str = "^C";

/// The exit code of a command that was interrupted.
const INTERRUPTED: &str = "130";

/// Commands that look at something that moves: they are repeated until they show what the page shows.
const LOOKS: [&str; 2] = ["valuesim status", "valuesim runs"];

/// Longer than any step takes on a busy machine: a ceiling for a step that hangs.
const CEILING: Duration = Duration::from_mins(4);

const PAUSE: Duration = Duration::from_millis(50);

/// A shell in a folder of its own, with the command on its path. All its processes end with it.
pub(crate) struct Shell {
    child: Child,
    folder: TempDir,
    /// Steps taken so far: each has files of its own.
    taken: u32,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("here")).unwrap();
        std::os::unix::fs::symlink(root().join("experiments"), folder.path().join("here/experiments")).unwrap();
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if is_of_the_tester(&name.to_string_lossy()) {
                command.env_remove(&name);
            }
        }
        let command = command.current_dir(folder.path().join("here")).env("PATH", path()).stdin(Stdio::piped());
        let child = command.env("USER", "ada").env("HOME", folder.path()).process_group(0).spawn().unwrap();
        Self { child, folder, taken: 0 }
    }

    /// Takes a step and compares what it prints with what the page shows.
    pub(crate) async fn take(&mut self, step: &Step) -> Result<(), String> {
        if step.command.trim().is_empty() {
            return Ok(());
        }
        if let Some(content) = &step.file {
            fs::write(self.folder.path().join("here").join(experiment_of(&step.command)?), content).unwrap();
        }
        let Some(shown) = &step.shown else { return self.run(&step.command).await.map(drop) };
        if LOOKS.iter().any(|look| step.command.starts_with(look)) {
            return self.look(&step.command, shown).await;
        }
        let interrupt = shown.iter().position(|line| line == INTERRUPT);
        let output = match interrupt {
            Some(place) => self.interrupt(&step.command, &shown[..place]).await?,
            None => self.run(&step.command).await?,
        };
        let shown: Vec<String> = shown.iter().filter(|line| *line != INTERRUPT).cloned().collect();
        compare(&shown, &output, Numbers::Exact)
    }

    /// Runs a command until it ends well, and returns what it printed.
    pub(crate) async fn run(&mut self, command: &str) -> Result<String, String> {
        let output = self.begin(command, "");
        let (code, text) = self.end(&output).await?;
        (code == "0").then_some(()).ok_or_else(|| format!("exit code {code}, and it said:\n{text}"))?;
        Ok(text)
    }

    /// Repeats the command until it shows what the page shows.
    async fn look(&mut self, command: &str, shown: &[String]) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let found = self.run(command).await.and_then(|output| compare(shown, &output, Numbers::OfTheMoment));
            if found.is_ok() || begun.elapsed() > CEILING {
                return found;
            }
            sleep(PAUSE).await;
        }
    }

    /// Interrupts the command once it has printed what stands before the interrupt.
    async fn interrupt(&mut self, command: &str, before: &[String]) -> Result<String, String> {
        let output = self.begin(command, "&");
        let before = [before, &["...".to_owned()]].concat();
        let begun = Instant::now();
        while !self.is_at_work() || compare(&before, &read(&output.text), Numbers::Exact).is_err() {
            if begun.elapsed() > CEILING {
                return Err(format!("it has not begun to work, and said:\n{}", read(&output.text)));
            }
            sleep(PAUSE).await;
        }
        self.type_in("kill -INT $!; wait $!");
        let (code, text) = self.end(&output).await?;
        (code == INTERRUPTED).then_some(text).ok_or_else(|| format!("exit code {code} after an interrupt"))
    }

    /// Whether a run of this folder has begun its work. From then on it hears an interrupt.
    fn is_at_work(&self) -> bool {
        let runs = fs::read_dir(self.folder.path().join("here/runs"));
        runs.is_ok_and(|runs| runs.flatten().any(|run| run.path().join("store").exists()))
    }

    fn begin(&mut self, command: &str, background: &str) -> Output {
        self.taken += 1;
        let file = |name: &str| self.folder.path().join(format!("{name}.{}", self.taken));
        let output = Output { text: file("text"), code: file("code") };
        self.type_in(&format!("{{\n{command}{background}\n}} >{} 2>&1 </dev/null", output.text.display()));
        output
    }

    async fn end(&mut self, output: &Output) -> Result<(String, String), String> {
        self.type_in(&format!("echo $? >{0}.new; mv {0}.new {0}", output.code.display()));
        let begun = Instant::now();
        while !output.code.exists() {
            let is_over = begun.elapsed() > CEILING || self.child.try_wait().unwrap().is_some();
            if is_over {
                return Err(format!(
                    "it has not ended after {CEILING:?}, or ended the shell, and said:\n{}",
                    read(&output.text)
                ));
            }
            sleep(PAUSE).await;
        }
        Ok((read(&output.code).trim().to_owned(), read(&output.text)))
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// The files of a step.
struct Output {
    /// What it printed, on both streams.
    text: PathBuf,
    /// Its exit code, once it has ended.
    code: PathBuf,
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The experiment file that a command names.
fn experiment_of(command: &str) -> Result<&str, String> {
    let mut words = command.split_whitespace();
    words
        .find(|word| Path::new(word).extension().is_some_and(|extension| extension == "toml"))
        .ok_or_else(|| "the page shows a file that this command does not name".to_owned())
}

/// Settings, keys and proxies of whoever runs the tests.
fn is_of_the_tester(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    name.starts_with("VALUESIM_") || name.ends_with("_API_KEY") || name.ends_with("_PROXY")
}

/// The path with the built command in front.
fn path() -> String {
    let command = PathBuf::from(env!("CARGO_BIN_EXE_valuesim"));
    format!("{}:{}", command.parent().unwrap().display(), std::env::var("PATH").unwrap())
}
