use super::*;

/// All keys of a TOML value, as `table.key`.
fn keys(value: &toml::Value, prefix: &str, into: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                keys(value, &format!("{prefix}.{key}"), into);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().for_each(|item| keys(item, prefix, into));
        }
        _ => into.push(prefix.trim_start_matches('.').to_owned()),
    }
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    // Reading it strictly shows that no key is too many …
    let config = Config::parse(REFERENCE).unwrap();
    // … and writing it again that none is missing: it sets every optional one.
    let (mut documented, mut existing) = (Vec::new(), Vec::new());
    keys(&toml::from_str(REFERENCE).unwrap(), "", &mut documented);
    keys(&toml::Value::try_from(&config).unwrap(), "", &mut existing);
    documented.sort();
    existing.sort();
    assert_eq!(documented, existing);
}

#[test]
fn every_key_of_the_reference_is_explained() {
    let lines: Vec<&str> = REFERENCE.lines().collect();
    for (before, line) in lines.iter().zip(lines.iter().skip(1)) {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with('#') || before.contains(" = "), "nothing explains {line}");
        }
    }
}

#[test]
fn t_111_what_is_not_for_strangers_listens_on_loopback_or_nowhere() {
    let reference = Config::parse(REFERENCE).unwrap();
    assert!(reference.portal.address.ip().is_loopback(), "a proxy with TLS stands in front");
    assert!(reference.watch.unwrap().address.ip().is_loopback());
    let without: String =
        REFERENCE.split("\n\n").filter(|part| !part.contains("[watch]")).map(|part| format!("{part}\n\n")).collect();
    assert!(Config::parse(&without).unwrap().watch.is_none(), "unasked, nothing listens for monitoring");
}

#[test]
fn unknown_keys_are_errors_with_their_line() {
    let text = REFERENCE.replace("deadline_days = 7", "deadline_dais = 7");
    let error = Config::parse(&text).unwrap_err();
    let line = text.lines().position(|line| line.starts_with("deadline_dais")).unwrap() + 1;
    assert_eq!(error.line, Some(line));
    assert!(error.what.contains("deadline_dais"), "{error}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (from, to, word) in [
        ("domains = [\"muster.example\"]", "domains = []", "domains"),
        (
            "intake_address = \"emailzertifikat@muster.example\"",
            "intake_address = \"x@other.example\"",
            "intake_address",
        ),
        ("deadline_days = 7", "deadline_days = 0", "deadline_days"),
        ("inside = \"smtp://127.0.0.1:10026\"", "inside = \"127.0.0.1:10026\"", "next_hop.inside"),
        ("tls_key = \"/etc/sealpost/tls.key\"", "", "tls_key"),
        ("side = \"inside\"", "side = \"within\"", "within"),
        (
            "networks = [\"127.0.0.0/8\", \"::1/128\"]\n# certificate",
            "networks = []\n# certificate",
            "networks = [] lets nobody in",
        ),
        ("unix:/var/spool/postfix/sealpost/outside", "unix:outside", "unix:/PATH"),
        ("server = \"https://acme", "server = \"http://acme", "acme.server"),
        ("external_account = \"customer-17\"", "", "external_account_key"),
    ] {
        assert!(REFERENCE.contains(from), "{from}");
        let error = Config::parse(&REFERENCE.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn passwords_and_links_go_by_tls_or_stay_on_this_machine() {
    let with = |url: &str| Config::parse(&REFERENCE.replace("\"https://webmail.muster.example\"", &format!("{url:?}")));
    for good in [
        "https://webmail.muster.example",
        "https://webmail.muster.example:8443/",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://[::1]:8080",
    ] {
        with(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for (odd, because) in [
        ("http://webmail.muster.example", "must begin with https://"),
        ("http://127.0.0.1.evil.example", "must begin with https://"),
        ("http://192.0.2.1:8080", "must begin with https://"),
        ("https://webmail.muster.example/sealpost", "behind the host"),
        ("https://webmail.muster.example?x", "behind the host"),
        ("https://webmail.muster.example/#x", "behind the host"),
        ("http://localhost@evil.example", "is not https://HOST"),
        ("https://web mail.example", "is not https://HOST"),
        ("https://", "is not https://HOST"),
        ("https://webmail.muster.example:http", "is not https://HOST"),
        ("webmail.muster.example", "is not https://HOST"),
        ("ftp://webmail.muster.example", "is not https://HOST"),
    ] {
        let error = with(odd).unwrap_err();
        assert!(error.what.starts_with("portal.base_url ") && error.what.contains(because), "{odd}: {error}");
    }
}

#[test]
fn each_domain_of_the_house_is_a_domain() {
    let with = |more: &str| {
        Config::parse(
            &REFERENCE.replace("domains = [\"muster.example\"]", &format!("domains = [\"muster.example\", {more:?}]")),
        )
    };
    for good in ["sub.muster.example", "müller.example", "xn--mller-kva.example"] {
        with(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for odd in ["*.muster.example", "a b", "http://x", "x@muster.example", "", ".muster.example", "192.0.2.1"] {
        let error = with(odd).unwrap_err();
        let named = format!("organisation.domains: {odd:?} is not a domain");
        assert!(error.what.contains(&named), "{odd}: {error}");
    }
}

#[test]
fn a_rule_has_no_empty_words_and_no_patterns_that_nobody_fits() {
    for (from, to, word) in [
        ("name = \"insurer\"", "name = \" \"", "an empty name"),
        ("subject_words = [\"[sicher]\"]", "subject_words = [\"[sicher]\", \"\"]", "subject_words has an empty entry"),
        ("subject_words = [\"[sicher]\"]", "subject_words = [\"\\u200b \"]", "subject_words has an empty entry"),
        ("labels = [\"Company-Confidential\"]", "labels = [\"\"]", "labels has an empty entry"),
        ("users = [\"emma@muster.example\"]", "users = [\"\"]", "users has an empty entry"),
        ("groups = [\"claims\"]", "groups = [\"\"]", "groups has an empty entry"),
        ("header = \"X-Confidential: yes\"", "header = \": yes\"", "header names no field"),
        ("to = [\"insurer.example\"]", "to = [\"nicht gut\"]", "to has \"nicht gut\""),
        ("to = [\"insurer.example\"]", "to = [\"\"]", "to has \"\""),
        ("to = [\"insurer.example\"]", "to = [\"*insurer.example\"]", "to has \"*insurer.example\""),
        ("from = [\"muster.example\"]", "from = [\"a@b@muster.example\"]", "from has \"a@b@muster.example\""),
    ] {
        assert!(REFERENCE.contains(from), "{from}");
        let error = Config::parse(&REFERENCE.replacen(from, to, 1)).unwrap_err();
        assert!(error.what.contains(word), "{to}: {error}");
    }
    for good in ["*", "*.insurer.example", "@insurer.example", "*@insurer.example", "a.b@insurer.example"] {
        let text = REFERENCE.replace("to = [\"insurer.example\"]", &format!("to = [{good:?}]"));
        Config::parse(&text).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
}

#[test]
fn values_with_which_nothing_would_work_are_refused() {
    for (from, to, word) in [
        ("idle_minutes = 30", "idle_minutes = 0", "portal.idle_minutes"),
        ("\nupload_bytes = 1048576", "\nupload_bytes = 0", "portal.upload_bytes"),
        ("message_bytes = 104857600", "message_bytes = 0", "gateway.message_bytes"),
        ("\nconnections = 1000", "\nconnections = 0", "gateway.connections"),
        ("connections_per_address = 50", "connections_per_address = 0", "gateway.connections_per_address"),
        ("hostname = \"sealpost.muster.example\"", "hostname = \"a b\"", "gateway.hostname"),
        ("house_days = 30", "house_days = 365", "renewal.house_days"),
        ("issuer = \"https://id.muster.example", "issuer = \"http://id.muster.example", "portal.openid.issuer"),
        ("issuer = \"https://id.muster.example", "issuer = \"http://127.0.0.1@evil.example", "portal.openid.issuer"),
        ("url = \"ldaps://directory.example\"", "url = \"http://directory.example\"", "look_up.source"),
        ("url = \"ldaps://directory.example\"", "", "look_up.source"),
        ("url = \"ldaps://directory.muster.example\"", "url = \"https://directory.muster.example\"", "look_up.publish"),
        ("kind = \"ldap\"", "kind = \"http\"", "look_up.source"),
    ] {
        assert!(REFERENCE.contains(from), "{from}");
        let error = Config::parse(&REFERENCE.replacen(from, to, 1)).unwrap_err();
        assert!(error.what.contains(word), "{to}: {error}");
    }
    let here = REFERENCE.replace("https://id.muster.example", "http://127.0.0.1:8081");
    Config::parse(&here).unwrap_or_else(|error| panic!("{error}"));
}
