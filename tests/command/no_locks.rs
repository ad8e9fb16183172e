//! A run on a file system without locks, as some NFS, Lustre and FUSE file systems are: a library that is loaded before the
//! system's refuses every lock.

use std::path::PathBuf;
use std::process::Command;

use crate::support::process::Running;
use crate::support::sandbox::Sandbox;

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refuse(void) { errno = atoi(getenv("LOCK_ERROR")); return -1; }

int flock(int file, int operation) { return refuse(); }

static int control(int file, int command, void *argument) {
  switch (command) {
  case F_SETLK: case F_SETLKW: case F_OFD_SETLK: case F_OFD_SETLKW: return refuse();
  default: return syscall(SYS_fcntl, file, command, argument);
  }
}

int fcntl(int file, int command, ...) {
  va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
  return control(file, command, argument);
}

int fcntl64(int file, int command, ...) {
  va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
  return control(file, command, argument);
}
"#;

/// `ENOSYS`, `ENOLCK` and `EOPNOTSUPP` on Linux.
const ERRORS: [&str; 3] = ["38", "37", "95"];

/// Makes the library with the C compiler that links Rust programs, too.
fn library(sandbox: &Sandbox) -> PathBuf {
    let (source, library) = (sandbox.path("no_locks.c"), sandbox.path("no_locks.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(made.unwrap().success());
    library
}

#[test]
fn a_file_system_without_locks_is_warned_of_and_used() {
    let sandbox = Sandbox::new();
    let library = library(&sandbox);
    for error in ERRORS {
        let run = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--runs", error];
        let mut command = sandbox.command(&run);
        let output = Running::new(command.env("LD_PRELOAD", &library).env("LOCK_ERROR", error)).wait().expect_success();
        let warnings = output.stderr.matches("has no locks").count();
        assert_eq!(warnings, 1, "{}", output.stderr);
        assert!(output.stderr.contains("a second process in it would not be noticed"), "{}", output.stderr);
        let run = sandbox.run_folder(error);
        let verify = ["verify", run.to_str().unwrap()];
        let mut command = sandbox.command(&verify);
        Running::new(command.env("LD_PRELOAD", &library).env("LOCK_ERROR", error)).wait().expect_success();
    }
}
