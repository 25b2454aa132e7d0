//! Execution providers: an order in which each can get a node.

use super::problem;
use crate::Target;
use crate::validate::Check;

pub(super) fn check(target: &Target) -> Check {
    if target.providers.is_empty() {
        return problem("providers", "is empty; name at least CPU");
    }
    for (index, provider) in target.providers.iter().enumerate() {
        let name = provider.name.as_str();
        if target.providers[..index].iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
            return problem("providers", format!("names {name} twice"));
        }
        if provider.is("CPU") && index + 1 < target.providers.len() {
            return problem(
                "providers",
                format!(
                    "names {} after CPU, which leaves no node to it; put CPU last",
                    target.providers[index + 1].name
                ),
            );
        }
        if provider.is("CPU") && !provider.options.is_empty() {
            return problem("providers.options", "of CPU are given; it takes none ([session] sets it up)");
        }
        if provider.is("ACL") && target.triple != "host" && !target.triple.starts_with("aarch64") {
            return problem(
                "providers",
                format!("names ACL, which is for 64-bit ARM, not {}", target.triple),
            );
        }
    }
    Ok(())
}
