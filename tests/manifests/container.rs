//! A container of a pod, as a process of this machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use valuesim_test_servers::{ServerError, eventually};

use crate::http::get;
use crate::overlay::{Overlay, text};
use crate::process::Running;
use crate::root::{Mount, Root};

/// A limit for hangs: far longer than anything here takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The user that the image and the pods name.
const USER: u32 = 65_532;

/// A container with its own file system, on a free port in place of its own.
pub(crate) struct Container {
    name: String,
    spec: Value,
    grace: Duration,
    port: u16,
    here: Vec<(String, String)>,
    root: Root,
}

impl Container {
    /// The only container of a Deployment's or Job's pod; `here` are texts of the overlay with what stands in for them.
    pub(crate) fn new(overlay: &Overlay, (kind, name): (&str, &str), here: &[(String, String)], port: u16) -> Self {
        let pod = overlay.pod(kind, name);
        let [spec] = pod["containers"].as_array().unwrap().as_slice() else {
            panic!("expected one container in {name}")
        };
        assert_eq!(pod["securityContext"]["runAsUser"], USER, "{name}");
        assert_eq!(spec["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        let mut here = here.to_vec();
        let declared = &spec["ports"][0]["containerPort"];
        here.push((format!("0.0.0.0:{declared}"), format!("127.0.0.1:{port}")));
        let root = Root::new(USER, &mounts(overlay, pod, spec), &mut here);
        let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
        Self { name: name.to_owned(), spec: spec.clone(), grace, port, here, root }
    }

    /// Starts it, and asks its probes until they succeed.
    pub(crate) async fn start_until_ready(&self) -> Running {
        let arguments: Vec<String> =
            list(&self.spec, "args").iter().map(|argument| self.here(&text(argument))).collect();
        let mut command = self.root.command(USER);
        command.env_clear().args(arguments).envs(self.variables());
        let running = Running::new(&mut command);
        for probe in ["readinessProbe", "livenessProbe"] {
            let path = text(&self.spec[probe]["httpGet"]["path"]);
            let port = &self.spec[probe]["httpGet"]["port"];
            let declared = &self.spec["ports"][0];
            assert!(port == &declared["name"] || port == &declared["containerPort"], "{}: no port {port}", self.name);
            if self.serves(&path, "").await.is_err() {
                running.kill();
                panic!("{}: {probe} does not succeed; it wrote:\n{}", self.name, running.wait().stderr);
            }
        }
        running
    }

    /// Waits until a page contains a text.
    pub(crate) async fn until_served(&self, path: &str, content: &str) {
        self.serves(path, content).await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Asks it to end, as a cluster does, and checks that it is gone before the cluster would kill it.
    pub(crate) fn end_in_time(&self, running: Running, code: i32) {
        let asked = Instant::now();
        running.terminate();
        running.wait().expect_code(code);
        assert!(asked.elapsed() < self.grace, "{} ended after {:?} of {:?}", self.name, asked.elapsed(), self.grace);
    }

    /// On this machine, the folder that a variable of the container names.
    pub(crate) fn folder(&self, variable: &str) -> PathBuf {
        let variables = list(&self.spec, "env");
        let found = variables.iter().find(|found| found["name"] == variable).unwrap();
        self.root.outside(&text(&found["value"]))
    }

    /// The root is read-only in a cluster: only the folders that are mounted to be written to may have changed.
    pub(crate) fn check_that_nothing_else_was_written(&self) {
        self.root.check_that_nothing_else_was_written(&self.name);
    }

    fn variables(&self) -> Vec<(String, String)> {
        list(&self.spec, "env").iter().map(|found| (text(&found["name"]), self.here(&text(&found["value"])))).collect()
    }

    fn here(&self, text: &str) -> String {
        replaced(text, &self.here)
    }

    async fn serves(&self, path: &str, content: &str) -> Result<(), ServerError> {
        let address = format!("127.0.0.1:{}", self.port);
        let is_served = async || get(&address, path).filter(|body| body.contains(content)).map(|_| ());
        eventually(&format!("{content:?} in {path}"), TIMEOUT, is_served).await
    }
}

fn mounts(overlay: &Overlay, pod: &Value, container: &Value) -> Vec<Mount> {
    let volumes = list(pod, "volumes");
    let mount = |mount: &Value| {
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("no volume {}", mount["name"]));
        Mount { path: text(&mount["mountPath"]), files: overlay.files(volume), is_read_only: mount["readOnly"] == true }
    };
    list(container, "volumeMounts").iter().map(mount).collect()
}

/// The list of a field; empty without the field.
fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The text with what stands in for parts of it.
pub(crate) fn replaced(text: &str, here: &[(String, String)]) -> String {
    here.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
}
