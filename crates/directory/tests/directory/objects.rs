//! Message bodies in an S3-compatible store, held against a real one that checks signatures: the server of moto.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use directory::{BodyId, Error, MessagePlace, MessageStore, ObjectPlace, StoreKey};

/// A server of moto, where requests have to be signed by the access key of a user that the test made.
struct Server {
    child: Child,
    url: String,
    access_key: String,
    secret_key: String,
}

impl Server {
    fn start() -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/moto/bin/moto_server");
        assert!(tool.is_file(), "moto is missing: ./test tools installs it");
        let mut child = Command::new(tool)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()));
        // Somebody has to read what it says, or it waits for that one day.
        std::thread::spawn(move || lines.for_each(drop));
        let url = url.expect("moto says where it is");
        let mut server = Self { child, url, access_key: String::new(), secret_key: String::new() };
        server.iam(&[("Action", "CreateUser")]);
        let key = server.iam(&[("Action", "CreateAccessKey")]);
        server.iam(&[("Action", "PutUserPolicy"), ("PolicyName", "bodies"), ("PolicyDocument", RIGHTS)]);
        let element = |name: &str| {
            let (_, rest) = key.split_once(&format!("<{name}>")).unwrap();
            rest.split_once("</").unwrap().0.to_owned()
        };
        (server.access_key, server.secret_key) = (element("AccessKeyId"), element("SecretAccessKey"));
        server.signed_only(true);
        server
    }

    /// From now on, whether a request needs a good signature and the right to do what it asks for.
    fn signed_only(&self, only: bool) {
        let unsigned = if only { "0" } else { "inf" };
        ureq::post(format!("{}/moto-api/reset-auth", self.url)).send(unsigned).unwrap();
    }

    fn iam(&self, fields: &[(&str, &str)]) -> String {
        // The scope of the credential says which service is asked.
        let asks = SOMEBODY.replace("/s3/", "/iam/");
        let fields = fields.iter().chain(&[("UserName", "sealpost"), ("Version", "2010-05-08")]).copied();
        let request = ureq::post(format!("{}/", self.url)).header("Authorization", &asks);
        request.send_form(fields).unwrap().into_body().read_to_string().unwrap()
    }

    fn place(&self) -> ObjectPlace {
        let (access_key, secret_key) = (self.access_key.clone(), self.secret_key.clone().into());
        ObjectPlace { access_key, secret_key, ..place(&self.url) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place(endpoint: &str) -> ObjectPlace {
    ObjectPlace {
        endpoint: Some(endpoint.to_owned()),
        bucket: "sealpost".into(),
        region: "eu-central-1".into(),
        prefix: "webmailer/bodies".into(),
        access_key: "key".into(),
        secret_key: "secret".to_owned().into(),
    }
}

fn store(place: ObjectPlace, key: &StoreKey) -> MessageStore {
    MessageStore::at(&MessagePlace::Objects(place), key.clone()).unwrap()
}

/// Writes past the store's rules, as who runs it could.
fn write(object: &str, octets: &[u8]) {
    ureq::put(object).header("Authorization", SOMEBODY).send(octets).unwrap();
}

#[tokio::test]
async fn bodies_are_sealed_in_an_s3_compatible_store() {
    let server = Server::start();
    let key = StoreKey::generate().unwrap();
    let store = store(server.place(), &key);
    // Without the bucket nothing is kept, and whoever brings a body is told so.
    let refused = store.put(b"early").await.unwrap_err();
    assert!(refused.is_temporary(), "{refused}");
    assert!(store.check().await.is_err());
    let bucket = format!("{}/sealpost", server.url);
    server.signed_only(false);
    ureq::put(&bucket).send_empty().unwrap();
    server.signed_only(true);
    store.check().await.unwrap();

    let body = b"Betreff: vertraulich\r\n".repeat(10_000);
    let id = store.put(&body).await.unwrap();
    assert_eq!(store.get(id).await.unwrap(), body);

    // Whoever has another secret key neither reads nor writes nor removes.
    let stranger = ObjectPlace { secret_key: "another".to_owned().into(), ..server.place() };
    let stranger = self::store(stranger, &key);
    for failed in [stranger.put(&body).await.err(), stranger.get(id).await.err(), stranger.remove(id).await.err()] {
        let failed = failed.expect("it is not signed as it should be");
        assert!(failed.is_temporary() && failed.to_string().contains("SignatureDoesNotMatch"), "{failed}");
    }
    assert!(stranger.older_than(Duration::ZERO).await.is_err() && stranger.check().await.is_err());
    assert_eq!(store.older_than(Duration::ZERO).await.unwrap(), [id], "nothing else is there");

    // What lies there, seen by whoever runs the store.
    server.signed_only(false);
    let object = format!("{bucket}/webmailer/bodies/{id}");
    let raw = ureq::get(&object).header("Authorization", SOMEBODY).call().unwrap();
    let raw = raw.into_body().read_to_vec().unwrap();
    assert_eq!(raw.len(), body.len() + 28, "sealed, with nonce and tag");
    assert!(!raw.windows(11).any(|window| window == b"vertraulich"));

    // Another store key, and what was changed, open nothing.
    let other = self::store(server.place(), &StoreKey::generate().unwrap());
    assert!(matches!(other.get(id).await, Err(Error::Corrupt { .. })));
    let mut changed = raw.clone();
    changed[100] ^= 1;
    write(&object, &changed);
    assert!(matches!(store.get(id).await, Err(Error::Corrupt { .. })));
    write(&object, &raw);
    // Nor does it under another name.
    let moved: BodyId = "00112233445566778899aabbccddeeff".parse().unwrap();
    write(&format!("{bucket}/webmailer/bodies/{moved}"), &raw);
    assert!(matches!(store.get(moved).await, Err(Error::Corrupt { .. })));

    // What is not ours is not listed, and not removed.
    for foreign in ["webmailer/bodies/README", "webmailer/bodies/deeper/00112233445566778899aabbccddeeff", "other"] {
        write(&format!("{bucket}/{foreign}"), b"x");
    }
    server.signed_only(true);
    let mut listed = store.older_than(Duration::ZERO).await.unwrap();
    listed.sort_by_key(ToString::to_string);
    let mut expected = [id, moved];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(listed, expected);
    assert!(store.older_than(Duration::from_secs(3_600)).await.unwrap().is_empty());
    for _ in 0..2 {
        store.remove(id).await.unwrap();
    }
    assert!(matches!(store.get(id).await, Err(Error::NotFound { .. })));
}

/// A server that says the same to everybody.
fn saying(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            // The other side may have gone; what it makes of that is what the test looks at.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn r_06_a_store_that_is_away_or_refuses_holds_what_depends_on_it() {
    let key = StoreKey::generate().unwrap();
    // Bound, so that nobody else gets the port, and never listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let away = socket.local_addr().unwrap();
    let id: BodyId = "00112233445566778899aabbccddeeff".parse().unwrap();
    for address in [
        away,
        saying("HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        saying("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        saying("HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        saying("nonsense\r\n\r\n"),
    ] {
        let store = store(place(&format!("http://{address}")), &key);
        let (put, got, removed, listed) =
            tokio::join!(store.put(b"body"), store.get(id), store.remove(id), store.older_than(Duration::ZERO));
        for failed in [put.err(), got.err(), removed.err(), listed.err()] {
            let failed = failed.expect("it cannot have worked");
            assert!(failed.is_temporary(), "{failed}");
        }
        assert!(store.check().await.is_err());
    }
    // Nothing about keys in what is logged.
    let described = format!("{:?} {:?}", place("http://127.0.0.1:1"), store(place("http://127.0.0.1:1"), &key));
    assert!(!described.contains("secret"), "{described}");
}

/// What the access key of an installation needs, as the guide says.
const RIGHTS: &str = r#"{"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow",
    "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
    "Resource": ["arn:aws:s3:::sealpost", "arn:aws:s3:::sealpost/*"]
}]}"#;

/// Good while no signature is asked for.
const SOMEBODY: &str =
    "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
