//! A rendered overlay: its resources, and what its pods mount.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// An overlay, as `k8s/rendered/render` writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Overlay {
    /// The files that it was rendered from, with their SHA-256.
    pub(crate) rendered_from: BTreeMap<String, String>,
    resources: Vec<Value>,
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Overlay {
    /// The demonstration.
    pub(crate) fn demo() -> Self {
        serde_json::from_str(&fs::read_to_string(repository().join("k8s/rendered/demo.json")).unwrap()).unwrap()
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> &Value {
        let is_it = |resource: &&Value| resource["kind"] == kind && resource["metadata"]["name"] == name;
        self.resources.iter().find(is_it).unwrap_or_else(|| panic!("the overlay names {kind} {name}, and has none"))
    }

    /// The pod of a Deployment or Job.
    pub(crate) fn pod(&self, kind: &str, name: &str) -> &Value {
        &self.find(kind, name)["spec"]["template"]["spec"]
    }

    /// A file of a `ConfigMap`.
    pub(crate) fn config(&self, name: &str, file: &str) -> String {
        text(&self.find("ConfigMap", name)["data"][file])
    }

    /// Names and contents of a volume's files; none where it is a folder to write to, or a Secret that may be missing.
    pub(crate) fn files(&self, volume: &Value) -> Vec<(String, String)> {
        if let Some(name) = volume["configMap"]["name"].as_str() {
            let files = self.find("ConfigMap", name)["data"].as_object().unwrap();
            return files.iter().map(|(file, content)| (file.clone(), text(content))).collect();
        }
        match volume["secret"]["secretName"].as_str() {
            Some(name) if volume["secret"]["optional"] != true => {
                let files = self.find("Secret", name)["data"].as_object().unwrap();
                files.iter().map(|(file, content)| (file.clone(), decoded(content))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The address of a Service's port, which a container listens on.
    pub(crate) fn service(&self, name: &str, port_name: &str) -> String {
        let service = &self.find("Service", name)["spec"];
        let ports = service["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == port_name).unwrap();
        let target = port.get("targetPort").unwrap_or(&port["port"]);
        let is_served = self.selected(&service["selector"]).any(|pod| {
            let ports = pod["containers"][0]["ports"].as_array().unwrap();
            ports.iter().any(|port| port["name"] == *target || port["containerPort"] == *target)
        });
        assert!(is_served, "no pod that Service {name} selects has a port {target}");
        format!("{name}:{}", port["port"])
    }

    /// The exit codes with which the coordinator's Job is not tried again.
    pub(crate) fn final_exit_codes(&self) -> Vec<i64> {
        let rules = &self.find("Job", "valuesim-coordinator")["spec"]["podFailurePolicy"]["rules"];
        let rule = rules.as_array().unwrap().iter().find(|rule| rule["action"] == "FailJob").unwrap();
        let container = &self.pod("Job", "valuesim-coordinator")["containers"][0]["name"];
        assert_eq!(&rule["onExitCodes"]["containerName"], container);
        rule["onExitCodes"]["values"].as_array().unwrap().iter().map(|code| code.as_i64().unwrap()).collect()
    }

    /// The pods with these labels.
    fn selected<'a>(&'a self, selector: &'a Value) -> impl Iterator<Item = &'a Value> {
        let templates = self.resources.iter().map(|resource| &resource["spec"]["template"]);
        let has_labels = |template: &&Value| {
            let mut wanted = selector.as_object().unwrap().iter();
            wanted.all(|(label, value)| template["metadata"]["labels"][label] == *value)
        };
        templates.filter(has_labels).map(|template| &template["spec"])
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("expected a text, found {value}")).to_owned()
}

fn decoded(content: &Value) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text(content)).unwrap()).unwrap()
}
