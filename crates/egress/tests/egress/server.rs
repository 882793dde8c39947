//! An HTTP server on loopback that says what it is told to say.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::{Resolve, Resolved};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What it says, octet for octet, to a request.
pub(crate) type Script = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: Script, pause: Option<Duration>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    let answer = script(&request);
                    seen.lock().unwrap().push(request);
                    match pause {
                        None => drop(stream.write_all(&answer).await),
                        Some(pause) => {
                            for octet in answer {
                                if stream.write_all(&[octet]).await.is_err() {
                                    return;
                                }
                                tokio::time::sleep(pause).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, requests, task }
    }

    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(Arc::new(move |_| answer.clone()), None).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
            if request.len() - head.len() - 4 >= length.unwrap_or(0) || length.is_none() && body.is_empty() {
                return request;
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return request,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
}

pub(crate) fn ok(content: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).as_bytes(), content].concat()
}

/// Names that stand for given addresses; counts how often it is asked.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) answers: Vec<(&'static str, Vec<Vec<IpAddr>>)>,
    pub(crate) asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a> {
        let round = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.answers.iter().find(|(name, _)| *name == host);
        let answer = found.map(|(_, rounds)| rounds[round.min(rounds.len() - 1)].clone());
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}
