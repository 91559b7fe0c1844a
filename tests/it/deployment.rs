//! The files for Compose and Kubernetes agree with the program, with each other and with what
//! docs/deploy.md promises: nobody is root, nothing is writable, the ends are long enough.

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use serde_json::Value;
use wicketgate::config::{Environment, Loaded, load};

use crate::support::cluster::balancer::{program, shipped};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const KUBERNETES: &str = "deploy/kubernetes";

fn text(name: &str) -> String {
    let path = Path::new(ROOT).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The configuration as the gateway reads it, its secrets beside it.
fn configuration(name: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let text = text(name)
        .replace("/run/secrets/", "")
        .replace("/run/key/", "");
    fs::write(folder.path().join("master.key"), "key\n").unwrap();
    fs::write(folder.path().join("database-url"), "postgres://a:b@c/d\n").unwrap();
    fs::write(folder.path().join("redis-url"), "redis://a:b@c/0\n").unwrap();
    let path = folder.path().join("wicketgate.yaml");
    fs::write(&path, text).unwrap();
    let nothing = Environment::from_map::<String, String>([]);
    load(&path, &nothing).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a process manager has to wait before it kills.
fn whole_drain() -> Duration {
    let limits = configuration("deploy/wicketgate.yaml").config.limits;
    limits.drain_delay.duration() + limits.drain_timeout.duration() + Duration::from_secs(10)
}

fn seconds(span: &Value) -> Duration {
    let span = span.as_str().unwrap().strip_suffix('s').unwrap();
    Duration::from_secs(span.parse().unwrap())
}

#[test]
fn both_configurations_load_without_findings_and_are_the_same() {
    let plain = configuration("deploy/wicketgate.yaml");
    assert_eq!(plain.warnings, []);
    let listen = &plain.config.listen;
    assert_eq!((listen.public.port(), listen.admin.port()), (8080, 9090));
    let own = text("deploy/kubernetes/wicketgate.yaml").replace("/run/key/", "/run/secrets/");
    let rest = |text: &str| text[text.find("\npublic_url").unwrap()..].to_owned();
    assert_eq!(rest(&own), rest(&text("deploy/wicketgate.yaml")));
    assert_eq!(
        text("deploy/kubernetes/ready.cfg"),
        text("deploy/ready.cfg")
    );
}

#[test]
fn haproxy_takes_both_files_as_compose_starts_them() {
    let services = &yaml("compose.yaml")["services"];
    let folder = tempfile::tempdir().unwrap();
    for (service, file) in [("haproxy", "haproxy.cfg"), ("ready-1", "ready.cfg")] {
        let mut command = Command::new(program());
        command.args(["-c", "-f"]).arg(shipped(file));
        for (name, value) in services[service]["environment"].as_object().unwrap() {
            // A certificate is made when it is deployed; names are known where they live.
            let value = value.as_str().unwrap();
            let value = if name == "LISTEN" { "*:8443" } else { value };
            command.env(name, value.replace("gateway-", "127.0.0."));
        }
        let ran = command.current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{file}: {said}");
        assert!(!said.contains("WARNING"), "{file}: {said}");
    }
}

/// To whom `deploy/secrets/make` gives a file that is closed to all others.
fn owner(made: &str, file: &str) -> Option<String> {
    assert!(made.contains("\numask 077\n"));
    for line in made.lines() {
        let (files, own) = match line.strip_prefix("for file in ") {
            Some(all) => all.split_once("; do ")?,
            None => (line, line),
        };
        let mut words = own.split([' ', ';']);
        let gives = words.next() == Some("own");
        if gives && files.split([' ', ';']).any(|word| word == file) {
            return words.next().map(str::to_owned);
        }
    }
    None
}

#[test]
fn compose_runs_everything_without_root_and_read_only() {
    let compose = yaml("compose.yaml");
    let made = text("deploy/secrets/make");
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        let user = service["user"].as_str().unwrap();
        assert!(!user.starts_with('0') && user != "root", "{name}");
        assert!(service["mem_limit"].is_string(), "{name}");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().unwrap();
            let Some(file) = volume.strip_prefix("./") else {
                continue;
            };
            assert!(file.ends_with(":ro"), "{name}: {file}");
            let file = file.split(':').next().unwrap();
            let secret = file.strip_prefix("deploy/secrets/");
            let there = secret.map_or(Path::new(ROOT).join(file).is_file(), |it| made.contains(it));
            assert!(there, "{name}: nobody makes {file}");
            if let Some(secret) = secret {
                let uid = user.split(':').next().unwrap();
                let owner = owner(&made, secret);
                assert_eq!(owner.as_deref(), Some(uid), "{name} cannot read {secret}");
            }
        }
    }
    let published = |name: &str| services[name]["ports"].is_array();
    let open: Vec<&str> = services
        .keys()
        .map(String::as_str)
        .filter(|name| published(name))
        .collect();
    assert_eq!(
        open,
        ["haproxy", "nginx"],
        "the load balancer, and nothing else"
    );
    for number in 1..=3 {
        let gateway = &services[&format!("gateway-{number}")];
        assert!(seconds(&gateway["stop_grace_period"]) >= whole_drain());
        let test = gateway["healthcheck"]["test"].to_string();
        assert_eq!(test, r#"["CMD","/usr/bin/wicketgate","health","--ready"]"#);
        let balancer = &services["haproxy"]["environment"];
        assert_eq!(
            balancer[format!("GATEWAY_{number}")],
            format!("gateway-{number}:8080")
        );
        assert_eq!(balancer[format!("READY_{number}")], "9091");
        // What is shared outlives both: a gateway that crashes leaves its `ready` where it is.
        let ready = &services[&format!("ready-{number}")];
        let pod = format!("pod-{number}");
        for inside in [gateway, ready] {
            assert_eq!(inside["network_mode"], format!("service:{pod}"));
            assert!(inside["networks"].is_null(), "not both");
        }
        let alias = &services[&pod]["networks"]["outer"]["aliases"][0];
        assert_eq!(alias, &format!("gateway-{number}"));
        assert_eq!(ready["environment"]["READY"], "*:9091");
        assert_eq!(ready["environment"]["ADMIN"], "127.0.0.1:9090");
    }
}

/// What the scripts do, and what the gateway sends besides them, is what the user in Redis may do.
#[test]
fn the_user_in_redis_may_do_what_the_gateway_does_and_nothing_more() {
    let made = text("deploy/secrets/make");
    let user = made
        .lines()
        .find(|line| line.starts_with("user wicketgate"));
    let may: BTreeSet<&str> = user
        .unwrap()
        .split(' ')
        .filter_map(|word| word.strip_prefix('+'))
        .collect();
    // A script that is not there yet is loaded, and called again.
    let mut does: BTreeSet<String> = ["@connection", "evalsha", "script|load"]
        .map(str::to_owned)
        .into();
    for file in ["windows.lua", "shares.lua", "line.rs", "../redis.rs"] {
        let text = text(&format!("src/limit/redis/{file}"));
        for (begin, end) in [("redis.call('", '\''), ("redis::cmd(\"", '"')] {
            let calls = text.split(begin).skip(1);
            does.extend(calls.map(|rest| rest.split(end).next().unwrap().to_lowercase()));
        }
    }
    assert_eq!(
        does.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        may
    );
}

#[test]
fn kubernetes_runs_it_without_root_read_only_and_lets_it_drain() {
    let listed = yaml(&format!("{KUBERNETES}/kustomization.yaml"));
    let files = listed["resources"].as_array().unwrap();
    for file in files {
        let file = format!("{KUBERNETES}/{}", file.as_str().unwrap());
        assert!(yaml(&file)["kind"].is_string(), "{file}");
    }
    let there = fs::read_dir(Path::new(ROOT).join(KUBERNETES)).unwrap();
    // The list itself, and the gateway's configuration and `ready.cfg`, which become maps.
    assert_eq!(there.count(), files.len() + 3);

    for (file, replicas) in [("deployment.yaml", 3), ("migrate.yaml", 0)] {
        let object = yaml(&format!("{KUBERNETES}/{file}"));
        assert_eq!(object["spec"]["replicas"].as_u64().unwrap_or(0), replicas);
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["runAsUser"], 65532);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let containers = ["containers", "initContainers"]
            .into_iter()
            .filter_map(|kind| pod[kind].as_array())
            .flatten();
        for container in containers {
            let closed = &container["securityContext"];
            assert_eq!(closed["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(closed["allowPrivilegeEscalation"], false, "{container}");
            assert_eq!(closed["capabilities"]["drop"][0], "ALL", "{container}");
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
    let deployment = yaml(&format!("{KUBERNETES}/deployment.yaml"));
    let (spec, pod) = (&deployment["spec"], &deployment["spec"]["template"]["spec"]);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) >= whole_drain());
    let gateway = &pod["containers"][0];
    let probe = |name: &str| gateway[name]["exec"]["command"].to_string();
    assert_eq!(
        probe("livenessProbe"),
        r#"["/usr/bin/wicketgate","health"]"#
    );
    assert_eq!(
        probe("readinessProbe"),
        r#"["/usr/bin/wicketgate","health","--ready"]"#
    );
    let look = gateway["readinessProbe"]["periodSeconds"].as_u64().unwrap();
    let delay = configuration("deploy/wicketgate.yaml")
        .config
        .limits
        .drain_delay;
    assert!(delay.duration() >= Duration::from_secs(2 * look));
    assert_eq!(gateway["ports"][0]["containerPort"], 8080);
    assert_eq!(
        gateway["ports"].as_array().unwrap().len(),
        1,
        "not the admin port"
    );

    // Everything that selects pods selects these.
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(&spec["selector"]["matchLabels"], labels);
    let budget = yaml(&format!("{KUBERNETES}/disruption-budget.yaml"));
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    let service = yaml(&format!("{KUBERNETES}/service.yaml"));
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(
        service["spec"]["ports"][0]["targetPort"],
        gateway["ports"][0]["name"]
    );
    let policy = yaml(&format!("{KUBERNETES}/network-policy.yaml"));
    let ports = policy["spec"]["ingress"][0]["ports"].to_string();
    assert!(ports.contains("8080") && !ports.contains("9090"), "{ports}");
}

/// Everything in front waits longer than the gateway may take.
#[test]
fn timeouts_of_load_balancers_are_above_those_of_the_gateway() {
    let limits = configuration("deploy/wicketgate.yaml").config.limits;
    let call = limits.call_timeout.duration();
    let timeouts = [
        ("deploy/haproxy.cfg", "timeout server", "s"),
        ("deploy/haproxy.cfg", "timeout client ", "s"),
        ("deploy/nginx.conf", "proxy_read_timeout", "s;"),
        ("deploy/kubernetes/ingress.yaml", "proxy-read-timeout:", ""),
    ];
    for (file, name, end) in timeouts {
        let text = text(file);
        let (_, rest) = text
            .split_once(name)
            .unwrap_or_else(|| panic!("{file}: {name}"));
        let value = rest.lines().next().unwrap().trim().trim_matches('"');
        let value = value.strip_suffix(end).unwrap().parse().unwrap();
        assert!(Duration::from_secs(value) > call, "{file}: {name}");
    }
}
