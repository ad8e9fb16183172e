//! Lets flags override variables, even if two settings are alternatives: an address, or a file that contains it.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// Settings of which two are alternatives.
pub(crate) trait Either {
    /// Both, by their names in the struct.
    const BOTH: [&'static str; 2];
}

/// Settings of which a flag overrides the alternative in a variable. Giving both in the same way is a mistake.
#[derive(Debug)]
pub(crate) struct FlagsFirst<T>(pub(crate) T);

impl<T: Args + Either> Args for FlagsFirst<T> {
    fn group_id() -> Option<clap::Id> {
        T::group_id()
    }

    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: FromArgMatches + Either> FromArgMatches for FlagsFirst<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        choose(matches, T::BOTH)?;
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.update_from_arg_matches_mut(&mut matches.clone())
    }

    fn update_from_arg_matches_mut(&mut self, matches: &mut ArgMatches) -> Result<(), Error> {
        choose(matches, T::BOTH)?;
        self.0.update_from_arg_matches_mut(matches)
    }
}

/// Drops the setting from a variable if its alternative is on the command line.
fn choose(matches: &mut ArgMatches, [one, other]: [&str; 2]) -> Result<(), Error> {
    use ValueSource::{CommandLine, EnvVariable};
    let forgotten = match (matches.value_source(one), matches.value_source(other)) {
        (Some(CommandLine), Some(EnvVariable)) => other,
        (Some(EnvVariable), Some(CommandLine)) => one,
        (Some(CommandLine), Some(CommandLine)) => return Err(conflict(one, other, |name| format!("--{name}"))),
        (Some(EnvVariable), Some(EnvVariable)) => return Err(conflict(one, other, variable)),
        _ => return Ok(()),
    };
    matches.try_clear_id(forgotten).map(drop).map_err(|error| Error::raw(ErrorKind::UnknownArgument, error))
}

fn conflict(one: &str, other: &str, shown: impl Fn(&str) -> String) -> Error {
    let [one, other] = [one, other].map(|name| shown(&name.replace('_', "-")));
    let text = format!("{one} and {other} are alternatives: leave one of them out\n");
    Error::raw(ErrorKind::ArgumentConflict, text)
}

fn variable(flag: &str) -> String {
    format!("VALUESIM_{}", flag.replace('-', "_").to_uppercase())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Args)]
    struct Two {
        #[arg(long)]
        address: Option<String>,
        // `PATH` is set on every machine that runs tests; its value does not matter here.
        #[arg(long, env = "PATH")]
        address_file: Option<String>,
    }

    impl Either for Two {
        const BOTH: [&'static str; 2] = ["address", "address_file"];
    }

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        two: FlagsFirst<Two>,
    }

    #[test]
    fn a_flag_goes_before_a_variable_and_two_flags_exclude_each_other() {
        let parse = |arguments: &[&str]| Program::try_parse_from([&["program"], arguments].concat());
        let Two { address, address_file } = parse(&["--address", "here"]).expect("parses").two.0;
        assert_eq!((address.as_deref(), address_file), (Some("here"), None));
        assert!(parse(&[]).expect("parses").two.0.address_file.is_some());
        let error = parse(&["--address", "here", "--address-file", "there"]).expect_err("two flags");
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
        assert!(error.to_string().contains("--address and --address-file are alternatives"), "{error}");
    }
}
