//! Lets nobody but the user read the files that a run makes: they hold answers of people.

/// From now on this process makes folders with the rights 0700 and files with 0600, whatever the user's own rule is.
pub(crate) fn from_now_on() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
}
