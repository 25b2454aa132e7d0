//! What `cargo xtask dist` was asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use farsight_spec::Target;

const USAGE: &str =
    "call it as: cargo xtask dist TARGET [--into FOLDER] [--features NAME,…] [--profile NAME]";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) target: Target,
    /// Cargo features of the library, separated by commas.
    pub(crate) features: Option<String>,
    /// The cargo profile.
    pub(crate) profile: String,
    /// Where it goes, absolute; `target/dist/TARGET` if it is not said.
    pub(crate) into: Option<PathBuf>,
}

impl Call {
    pub(crate) fn parse(arguments: &[String]) -> Result<Call> {
        let Some((target, mut rest)) = arguments.split_first() else { bail!(USAGE) };
        let (mut features, mut profile, mut into) = (None, "device".to_owned(), None);
        while let [option, after @ ..] = rest {
            let [value, after @ ..] = after else { bail!("{option} wants a value; {USAGE}") };
            match option.as_str() {
                "--features" => features = Some(value.clone()),
                "--profile" => profile = value.clone(),
                "--into" => into = Some(std::path::absolute(Path::new(value))?),
                _ => bail!("there is no {option}; {USAGE}"),
            }
            rest = after;
        }
        let target = Target::find(target).with_context(|| USAGE.to_owned())?;
        Ok(Call { target, features, profile, into })
    }

    /// The library without features for a target.
    pub(crate) fn of(target: &Target, profile: &str) -> Call {
        Call { target: target.clone(), features: None, profile: profile.to_owned(), into: None }
    }

    /// Whether it is for a device, even one with this CPU: then its glibc counts, not this machine's.
    pub(crate) fn crosses(&self) -> bool {
        self.target.triple != "host"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Call> {
        Call::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_said_is_the_small_library() {
        let call = parse(&["aarch64-linux"]).unwrap();
        assert_eq!((call.target.name.as_str(), call.profile.as_str()), ("aarch64-linux", "device"));
        assert_eq!((&call.features, &call.into, call.crosses()), (&None, &None, true));
    }

    #[test]
    fn what_is_said_counts() {
        let call = parse(&["host", "--profile", "dev", "--features", "rasters", "--into", "a"]).unwrap();
        assert_eq!((call.profile.as_str(), call.features.as_deref()), ("dev", Some("rasters")));
        assert!(call.into.as_deref().is_some_and(|into| into.is_absolute() && into.ends_with("a")));
        assert!(!call.crosses());
    }

    #[test]
    fn a_wrong_call_says_how_to_call_it() {
        for words in [&[][..], &["toaster"], &["host", "--into"], &["host", "--fly", "high"]] {
            let message = format!("{:#}", parse(words).unwrap_err());
            assert!(message.contains("cargo xtask dist TARGET"), "{words:?}: {message}");
        }
    }
}
