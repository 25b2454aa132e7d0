//! Small named checks: a profile that parses may still make no sense.

use crate::Target;
use crate::error::SpecError;
use crate::parse::parse;
use crate::validate::{Check, check_name, locate, problem};

impl Target {
    /// Parses and validates a profile; `origin` (a file name, say) stands in every message.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SpecError> {
        let target: Self = parse(text, origin)?;
        target.validate(origin)?;
        Ok(target)
    }

    /// Whether the values make sense, for a profile that was not read by [`Target::parse`].
    ///
    /// # Errors
    /// The first key that makes none.
    pub fn validate(&self, origin: &str) -> Result<(), SpecError> {
        self.check().map_err(locate(origin))
    }

    /// The profile as TOML. What is written parses to the same profile.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Check {
        check_name(&self.name)?;
        check_triple(&self.triple)?;
        if let Some(glibc) = &self.glibc {
            check_version("glibc", glibc)?;
        }
        check_version("onnxruntime.oldest", &self.onnxruntime.oldest)?;
        if self.onnxruntime.oldest_minor() < 17 {
            return problem("onnxruntime.oldest", "is below 1.17, the oldest that farsight can load");
        }
        check_providers(self)?;
        if self.session.threads > 1024 {
            return problem("session.threads", format!("is {}; at most 1024, 0 = all", self.session.threads));
        }
        Ok(())
    }
}

fn check_triple(triple: &str) -> Check {
    if triple != "host" && triple.split('-').count() < 3 {
        return problem("triple", format!("is {triple:?}; expected a Rust target triple or \"host\""));
    }
    Ok(())
}

fn check_version(key: &str, version: &str) -> Check {
    let parts: Vec<&str> = version.split('.').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|p| p.parse::<u32>().is_err()) {
        return problem(key, format!("is {version:?}; expected a version such as \"1.17\""));
    }
    Ok(())
}

fn check_providers(target: &Target) -> Check {
    if target.providers.is_empty() {
        return problem("providers", "is empty; name at least CPU");
    }
    for (index, provider) in target.providers.iter().enumerate() {
        if target.providers[..index].iter().any(|p| p.name.eq_ignore_ascii_case(&provider.name)) {
            return problem("providers", format!("names {} twice", provider.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_make_no_sense_are_refused_by_key() {
        let host = include_str!("../../../../targets/aarch64-linux.toml");
        let cases = [
            (host.replace("aarch64-unknown-linux-gnu", "arm"), "triple"),
            (host.replace("oldest = \"1.17\"", "oldest = \"new\""), "onnxruntime.oldest"),
            (host.replace("oldest = \"1.17\"", "oldest = \"1.16\""), "onnxruntime.oldest"),
            (host.replace("providers = [{ name = \"CPU\" }]", "providers = []"), "providers"),
            (host.replace("[{ name = \"CPU\" }]", "[{ name = \"CPU\" }, { name = \"cpu\" }]"), "providers"),
        ];
        for (text, expected) in cases {
            match Target::parse(&text, "x.toml") {
                Err(SpecError::Invalid { key, .. }) => assert_eq!(key, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}
