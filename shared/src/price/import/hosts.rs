//! Where the models of the tables of others are served: their names of hosts, and the addresses that this release knows.

use std::collections::BTreeSet;

use crate::price::{Host, PriceTable, PricedModel};

/// What LiteLLM (`litellm_provider`) and genai-prices (`id`) call hosts whose names are others in the table of this release.
const OTHER_NAMES: [(&str, &str); 3] = [("gemini", "google"), ("dashscope", "qwen"), ("together_ai", "together")];

/// A table of these models. Those at hosts of this release's table come first, in its order, and have their addresses.
pub(super) fn table(version: &str, mut models: Vec<PricedModel>) -> PriceTable {
    let known = &PriceTable::built_in().hosts;
    for model in &mut models {
        let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == model.host);
        model.host = other.map_or_else(|| std::mem::take(&mut model.host), |(_, ours)| (*ours).to_owned());
    }
    let place = |model: &PricedModel| known.iter().position(|host| host.name == model.host).unwrap_or(known.len());
    models.sort_by_key(place);
    let names: BTreeSet<String> = models.iter().map(|model| model.host.clone()).collect();
    let hosts: Vec<Host> = known.iter().filter(|host| names.contains(&host.name)).cloned().collect();
    let is_known = |name: &String| hosts.iter().any(|host| host.name == *name);
    let hosts_without_address = names.into_iter().filter(|name| !is_known(name)).collect();
    PriceTable { version: version.to_owned(), hosts_without_address, hosts, models }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    const TEXT: &str = r#"{
        "azure/m": {"litellm_provider": "azure", "input_cost_per_token": 8e-6, "output_cost_per_token": 24e-6},
        "bedrock/m": {"litellm_provider": "bedrock", "input_cost_per_token": 9e-6, "output_cost_per_token": 24e-6},
        "deepinfra/m": {"litellm_provider": "deepinfra", "input_cost_per_token": 1e-7, "output_cost_per_token": 3e-7},
        "mistral/n": {"litellm_provider": "mistral", "input_cost_per_token": 4e-6, "output_cost_per_token": 4e-6},
        "azure/n": {"litellm_provider": "azure", "input_cost_per_token": 5e-6, "output_cost_per_token": 5e-6},
        "together_ai/m": {"litellm_provider": "together_ai", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    }"#;

    #[test]
    fn each_host_has_its_own_price_also_after_the_table_was_written() {
        let imported = read(TEXT, "v").expect("is sound");
        let written = read(&imported.to_toml(), "v").expect("is sound");
        for table in [imported, written] {
            let at = |name: &str, url: &str| table.find(name, Some(url)).map(|model| model.price.input_usd_per_million);
            assert_eq!(at("m", "https://api.together.xyz/v1"), Some(1.0));
            assert_eq!(at("m", "https://api.deepinfra.com/v1/openai"), Some(0.1));
            assert_eq!(at("m", "https://api.mistral.ai/v1"), None, "it has the host, without the model");
            assert_eq!(at("m", "https://mine.example/v1"), None, "two hosts may be meant");
            assert_eq!(at("n", "https://mine.example/v1"), Some(5.0));
            let anywhere = |name: &str| table.find(name, None).map(|model| model.host.as_str());
            assert_eq!((anywhere("m"), anywhere("n")), (Some("deepinfra"), Some("mistral")));
        }
    }
}
