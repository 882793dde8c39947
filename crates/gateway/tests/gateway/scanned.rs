//! A scanner that sees what encryption hid from those before us.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use gateway::{Scanner, Settings};
use smime::{Encryptor, Signer};

use crate::house::{ALICE, BOB, House};
use crate::support::{contains, header, mail};

const VIRUS: &[u8] = b"X-TEST-VIRUS-CANARY";

/// Speaks clamd's INSTREAM; gives what it has been shown.
fn clamd() -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, shown) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let all = Arc::clone(&shown);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut command = [0; 10];
            if stream.read_exact(&mut command).is_err() || &command != b"zINSTREAM\0" {
                continue;
            }
            let mut mail = Vec::new();
            loop {
                let mut length = [0; 4];
                if stream.read_exact(&mut length).is_err() || length == [0; 4] {
                    break;
                }
                let mut piece = vec![0; u32::from_be_bytes(length) as usize];
                if stream.read_exact(&mut piece).is_err() {
                    break;
                }
                mail.extend_from_slice(&piece);
            }
            let found = mail.windows(VIRUS.len()).any(|window| window == VIRUS);
            all.lock().unwrap().push(mail);
            let _ = stream.write_all(if found { b"stream: Test.Virus FOUND\0" } else { b"stream: OK\0" });
        }
    });
    (address, shown)
}

fn with(scanner: SocketAddr) -> impl FnOnce(&mut Settings) {
    move |settings| settings.incoming.scanner = Some(Scanner::Network(scanner.to_string()))
}

fn sealed(house: &House, text: &str) -> Vec<u8> {
    let signed = Signer::new(&house.bob.credential).unwrap().at(testkit::now()).sign(&mail(BOB, ALICE, "x", text));
    Encryptor::to(house.alice.certificate()).unwrap().encrypt(&signed.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_34_what_was_encrypted_is_scanned_before_it_is_delivered() {
    let (scanner, shown) = clamd();
    let house = House::start(with(scanner)).await;
    let send = |mail: Vec<u8>| {
        let house = &house;
        async move { house.send(house.outside, BOB, &[ALICE], &mail).await.remove(0) }
    };
    assert_eq!(send(sealed(&house, "harmless")).await.code(), 250);
    assert!(contains(&house.mail(ALICE)[0], "harmless"));
    assert!(contains(&shown.lock().unwrap()[0], "harmless"), "the scanner saw it open");

    let virus = String::from_utf8(VIRUS.to_vec()).unwrap();
    let infected = sealed(&house, &virus);
    // CASES T-27: whoever sent it hears the same as for harmless mail.
    assert_eq!(send(infected.clone()).await.code(), 250);
    let arrived = house.mail(ALICE).pop().unwrap();
    assert!(!contains(&arrived, &virus));
    let body = |mail: &[u8]| mail[mail.windows(4).position(|end| end == b"\r\n\r\n").unwrap()..].to_vec();
    assert_eq!(body(&arrived), body(&infected), "nothing is lost: it is there, still encrypted");
    let header = header(&arrived);
    assert!(header.get("Subject").unwrap().text().starts_with("[malware inside, left encrypted]"));
    assert!(header.value("X-Sealpost-Note").unwrap().contains("Test.Virus"));
    assert!(!house.is_on_disk(VIRUS));

    // What was not encrypted has been looked at by those before us.
    let before = shown.lock().unwrap().len();
    assert_eq!(send(mail(BOB, ALICE, "x", "open")).await.code(), 250);
    assert_eq!(shown.lock().unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_34_n_22_while_the_scanner_is_down_decrypted_mail_is_held() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::start(with(nobody)).await;
    let reply = house.send(house.outside, BOB, &[ALICE], &sealed(&house, "CANARY")).await.remove(0);
    // The word about all that is held for what is encrypted in it.
    assert_eq!(reply.to_string(), crate::incoming::HELD);
    assert!(house.mail(ALICE).is_empty());
}
