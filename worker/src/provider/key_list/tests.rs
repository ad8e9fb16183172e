//! Tests of a worker's list of keys.

use super::*;

fn list(environment: &[(&str, &str)], hosts: &[&str], file: &str) -> Result<KeyList, KeyListError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let file = ListFile::parse(Path::new("keys.toml"), file)?;
    KeyList::of(&environment, &hosts, Some(file))
}

fn ask(list: &KeyList, model: &ModelSettings) -> Result<Option<KeySource>, String> {
    let address = Url::parse(model.base_url.as_deref().expect("has an address")).expect("is one");
    list.admit(model, &address).map(Option::<&KeySource>::cloned).map_err(|error| error.to_string())
}

fn model(key: Option<&str>, base_url: &str) -> ModelSettings {
    ModelSettings {
        api_key_name: key.map(str::to_owned),
        base_url: Some(base_url.to_owned()),
        ..ModelSettings::named("m")
    }
}

fn variable(name: &str) -> KeySource {
    KeySource::Variable(name.to_owned())
}

#[track_caller]
fn check_refused(list: &KeyList, model: &ModelSettings, expected: &[&str]) {
    let error = ask(list, model).expect_err("is refused");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn a_well_known_providers_key_goes_to_its_own_hosts_alone() {
    let list = list(&[], &["evil.example"], "").expect("is a list");
    for name in ["OPENAI_API_KEY", "openai", "OpenAI"] {
        let found = ask(&list, &model(Some(name), "https://api.openai.com/v1")).expect("is allowed");
        assert_eq!(found, Some(variable("OPENAI_API_KEY")));
    }
    for elsewhere in [
        "https://evil.example/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.evil.example/v1",
        "http://127.0.0.1:9/v1",
    ] {
        let expected = ["does not send to", "https://api.openai.com", "VALUESIM_HOSTS_OPENAI"];
        check_refused(&list, &model(Some("openai"), elsewhere), &expected);
    }
}

#[test]
fn a_key_that_is_not_listed_is_refused_whatever_the_environment_has() {
    let list = list(&[("AWS_SECRET_ACCESS_KEY", "s")], &[], "").expect("is a list");
    let expected = ["VALUESIM_KEY_AWS_SECRET_ACCESS_KEY", "VALUESIM_HOSTS_AWS_SECRET_ACCESS_KEY", "--keys"];
    check_refused(&list, &model(Some("AWS_SECRET_ACCESS_KEY"), "http://127.0.0.1:9/v1"), &expected);
    let older = ModelSettings { api_key_env: Some("HOME".to_owned()), ..model(None, "http://127.0.0.1:9/v1") };
    check_refused(&list, &older, &["the key HOME"]);
    check_refused(&list, &model(Some("sk-1 \u{1b}[2J"), "http://127.0.0.1:9/v1"), &["no name of a key"]);
}

#[test]
fn a_path_on_the_workers_machine_is_refused() {
    let list = list(&[], &[], "").expect("is a list");
    let at = || model(None, "http://127.0.0.1:9/v1");
    check_refused(&list, &ModelSettings { api_key_file: Some("/etc/passwd".into()), ..at() }, &["file with a key"]);
    check_refused(&list, &ModelSettings { ca_file: Some("/dev/zero".into()), ..at() }, &["file of certificates"]);
}

#[test]
fn a_variable_holds_a_key_for_the_listed_addresses() {
    let environment = [
        ("VALUESIM_KEY_OUR_OWN", "k"),
        ("VALUESIM_HOSTS_OUR_OWN", "http://llm:8000, other.example"),
        ("VALUESIM_KEY_DEEPSEEK", "k"),
        ("VALUESIM_KEY_LONELY", "k"),
    ];
    let list = list(&environment, &[], "").expect("is a list");
    for address in ["http://llm:8000/v1", "https://other.example/v1"] {
        let found = ask(&list, &model(Some("our-own"), address)).expect("is allowed");
        assert_eq!(found, Some(variable("VALUESIM_KEY_OUR_OWN")));
    }
    check_refused(&list, &model(Some("our-own"), "https://llm:8000/v1"), &["http://llm:8000, https://other.example"]);
    let known = ask(&list, &model(Some("deepseek"), "https://api.deepseek.com/v1")).expect("is allowed");
    assert_eq!(known, Some(variable("VALUESIM_KEY_DEEPSEEK")), "its own hosts are known");
    check_refused(&list, &model(Some("lonely"), "https://a.example"), &["it may go to no address yet"]);
}

#[test]
fn a_file_lists_keys_and_addresses() {
    let text = "hosts = ['http://vllm:8000']\nca_file = 'ours.pem'\n[key.openai]\nfile = '/run/openai'\n\
        [key.ours]\nvariable = 'OUR_KEY'\nhosts = ['ours.example:8443']\n[key.known]\nvariable = 'MISTRAL_API_KEY'\n";
    let list = list(&[], &["http://other:1"], text).expect("is a list");
    let check = |key, address, expected| assert_eq!(ask(&list, &model(key, address)), Ok(expected), "{address}");
    check(Some("openai"), "https://api.openai.com/v1", Some(KeySource::File("/run/openai".into())));
    check(Some("ours"), "https://ours.example:8443/v1", Some(variable("OUR_KEY")));
    check(Some("known"), "https://api.mistral.ai/v1", Some(variable("MISTRAL_API_KEY")));
    check(None, "http://vllm:8000/v1", None);
    check(None, "http://other:1/v1", None);
    assert_eq!(list.ca_file(), Some(Path::new("ours.pem")));
}

#[test]
fn without_a_key_only_this_machine_is_called() {
    let list = list(&[], &[], "").expect("is a list");
    for here in ["http://127.0.0.1:9/v1", "http://localhost:8000/v1", "http://[::1]:8000/v1"] {
        assert_eq!(ask(&list, &model(None, here)), Ok(None));
    }
    for there in ["http://169.254.169.254/latest", "https://api.openai.com/v1", "http://10.0.0.1:6379"] {
        check_refused(&list, &model(None, there), &["names no key", "--allow-host (VALUESIM_HOSTS)", "api_key_name"]);
    }
}

#[test]
fn a_list_that_is_none_is_refused_without_showing_it() {
    let refused = |environment: &[(&str, &str)], hosts: &[&str], file: &str| {
        list(environment, hosts, file).expect_err("is refused").to_string()
    };
    let error = refused(&[], &[], "\n[key.openai]\nkey = 'sk-secret'\n");
    assert!(error.contains("keys.toml, line 3") && !error.contains("secret"), "{error}");
    let error = refused(&[], &[], "[key.openai]\nhosts = ['a.example']");
    assert!(error.contains("key.OPENAI: expected `file` or `variable`"), "{error}");
    assert!(refused(&[], &["ftp://a"], "").starts_with("--allow-host: expected a host"));
    assert!(refused(&[("VALUESIM_KEY_A.B", "k")], &[], "").contains("VALUESIM_KEY_A.B names no key"));
    let hosts = [("VALUESIM_KEY_A", "k"), ("VALUESIM_HOSTS_A", "http://")];
    assert!(refused(&hosts, &[], "").starts_with("VALUESIM_HOSTS_A: expected a host"));
}

#[test]
fn the_value_of_a_header_goes_where_its_name_is_allowed_to() {
    let environment = [("VALUESIM_KEY_AZURE", "s"), ("VALUESIM_HOSTS_AZURE", "https://ours.example")];
    let list = list(&environment, &[], "").expect("is a list");
    let with = |source: HeaderSource, base_url: &str| {
        let mut model = model(None, base_url);
        model.headers.insert("api-key".to_owned(), source);
        model
    };
    let named = || HeaderSource { key: Some("azure".to_owned()), ..HeaderSource::default() };
    let admit = |model: &ModelSettings| {
        let address = Url::parse(model.base_url.as_deref().expect("has an address")).expect("is one");
        // A model without a key may be called because each of its headers is asked for itself.
        assert_eq!(ask(&list, model), Ok(None));
        list.admit_header(&model.headers["api-key"], &address).cloned().map_err(|error| error.to_string())
    };
    assert_eq!(admit(&with(named(), "https://ours.example/v1")), Ok(variable("VALUESIM_KEY_AZURE")));
    let error = admit(&with(named(), "https://evil.example/v1")).expect_err("not there");
    assert!(error.contains("does not send to https://evil.example"), "{error}");
    let file = HeaderSource { file: Some("/etc/passwd".into()), ..HeaderSource::default() };
    assert!(admit(&with(file, "https://ours.example/v1")).expect_err("no place").contains("worker's own machine"));
    let unknown = HeaderSource { env: Some("AWS_SECRET_ACCESS_KEY".to_owned()), ..HeaderSource::default() };
    assert!(admit(&with(unknown, "https://ours.example/v1")).expect_err("unknown").contains("does not have"));
    assert!(admit(&with(HeaderSource::default(), "https://ours.example/v1")).is_err());
}
