//! DNS servers that answer as nobody should.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use egress::{DnsRecords, Records as _};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::{CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

const ASKED: &str = "mail.partner.example";

/// Runs a test where a loop without end cannot hold up all the others: a future that never gives way is not cut off by a
/// timeout beside it.
pub(crate) fn within_bounds<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(120)).expect("the look-up failed, or has no end");
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

fn text(owner: &str, text: &str) -> Record {
    Record::from_rdata(name(owner), 3600, RData::TXT(TXT::new(vec![text.to_owned()])))
}

fn alias(owner: &str, of: &str) -> Record {
    Record::from_rdata(name(owner), 3600, RData::CNAME(CNAME(name(of))))
}

fn answer(question: &Message, records: Vec<Record>) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_available = true;
    answer.queries.clone_from(&question.queries);
    answer.answers = records;
    answer
}

/// Answers each question with these messages; what is too long for UDP is asked for once more by TCP.
async fn serve(answers: impl Fn(&Message) -> Vec<Vec<u8>> + Copy + Send + 'static) -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 4096];
        while let Ok((read, from)) = udp.recv_from(&mut question).await {
            let Ok(question) = Message::from_vec(&question[..read]) else { continue };
            for octets in answers(&question) {
                let octets = if octets.len() <= 1232 {
                    octets
                } else {
                    let mut short = answer(&question, Vec::new());
                    short.metadata.truncation = true;
                    short.to_vec().unwrap()
                };
                let _ = udp.send_to(&octets, from).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    if stream.read_exact(&mut question).await.is_err() {
                        return;
                    }
                    let Ok(question) = Message::from_vec(&question) else { return };
                    for octets in answers(&question) {
                        let _ = stream.write_u16(u16::try_from(octets.len()).unwrap()).await;
                        let _ = stream.write_all(&octets).await;
                    }
                }
            });
        }
    });
    address
}

async fn ask(answers: impl Fn(&Message) -> Vec<Vec<u8>> + Copy + Send + 'static) -> Option<Vec<String>> {
    let records = DnsRecords::new(&[serve(answers).await]).unwrap();
    let found = records.txt(ASKED).await.ok()?;
    Some(found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
}

fn whole(message: &Message) -> Vec<Vec<u8>> {
    vec![message.to_vec().unwrap()]
}

#[test]
fn t_124_of_a_thousand_records_some_are_read() {
    within_bounds(|| async {
        let many = |question: &Message, number: usize| {
            whole(&answer(question, (0..number).map(|number| text(ASKED, &number.to_string())).collect()))
        };
        let (some, all) =
            tokio::join!(ask(move |question| many(question, 60)), ask(move |question| many(question, 3_000)));
        assert_eq!(some.map(|found| found.len()), Some(20));
        assert!(all.is_none_or(|found| found.len() <= 20));
    });
}

#[test]
fn t_124_what_was_not_asked_for_is_not_an_answer() {
    within_bounds(|| async {
        let others = ask(|question| {
            whole(&answer(question, vec![text("bank.example", "others"), text("partner.example", "above")]))
        });
        assert!(others.await.is_none_or(|found| found.is_empty()));
        // Nor is what answers another question, however early it comes.
        let early = ask(|question| {
            let mut forged = answer(question, vec![text(ASKED, "forged")]);
            forged.metadata.id = forged.metadata.id.wrapping_add(1);
            vec![forged.to_vec().unwrap(), answer(question, vec![text(ASKED, "right")]).to_vec().unwrap()]
        });
        assert!(early.await.is_none_or(|found| found == ["right"]));
    });
}

#[test]
fn t_124_aliases_come_to_an_end() {
    within_bounds(|| async {
        let ring = ask(|question| {
            whole(&answer(question, vec![alias(ASKED, "b.partner.example"), alias("b.partner.example", ASKED)]))
        });
        let chain = ask(|question| {
            let link = |number: usize| match number {
                0 => ASKED.to_owned(),
                number => format!("a{number}.partner.example"),
            };
            let links = (0..1_000).map(|number| alias(&link(number), &link(number + 1)));
            whole(&answer(question, links.chain([text(&link(1_000), "the end")]).collect()))
        });
        let (ring, chain) = tokio::join!(ring, chain);
        assert!(ring.is_none_or(|found| found.is_empty()));
        assert!(chain.is_none_or(|found| found.is_empty() || found == ["the end"]));
    });
}

#[test]
fn t_124_octets_that_are_no_message_are_no_answer() {
    within_bounds(|| async {
        // A name that goes on where it began, in a message that says it has as many records as can be.
        let pointer = ask(|question| {
            let mut octets = question.metadata.id.to_be_bytes().to_vec();
            octets.extend([0x81, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0, 0x0C, 0, 16, 0, 1]);
            vec![octets]
        });
        let cut = ask(|question| {
            let octets = answer(question, vec![text(ASKED, "cut")]).to_vec().unwrap();
            (0..octets.len()).step_by(7).map(|length| octets[..length].to_vec()).collect()
        });
        let (pointer, cut) = tokio::join!(pointer, cut);
        assert_eq!((pointer, cut), (None, None));
    });
}
