use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::breaker::Breaker;
use crate::url::{Host, Url};
use crate::{Error, Resolve, TlsRoots, is_public};

/// Where a client may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses, HTTP, port 80: where certificates of strangers point to.
    Public,
    /// Anywhere: where the operator points to, and the servers of tests.
    Anywhere,
    /// HTTPS only: to the host that the operator named, and from there on to public addresses.
    Secure(Host),
}

/// HTTP/1.1, one request per connection: no cookies, no pipelining, nothing kept.
pub(crate) struct Client {
    pub(crate) reach: Reach,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Option<TlsRoots>,
    pub(crate) timeout: Duration,
    pub(crate) octets: usize,
    pub(crate) redirects: u32,
    pub(crate) breaker: Breaker,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask<'a> {
    Get,
    Head,
    Post { content_type: &'a str, body: &'a [u8], authorization: Option<&'a str> },
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u32,
    /// Header fields, their names in lower case.
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first field of a name that is given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// The content that is found at `url`.
    pub(crate) async fn ask(&self, url: &str, ask: Ask<'_>) -> Result<Vec<u8>, Error> {
        let mut url = Url::parse(url)?;
        let mut redirects = self.redirects;
        let began = Instant::now();
        loop {
            let host = url.authority();
            self.breaker.check(&host, Instant::now())?;
            // One clock for everything, so that a redirect wins no time.
            let left = self.timeout.saturating_sub(began.elapsed());
            let answer =
                self.once(&url, ask, left, |status| status == 200).await.and_then(|answer| match answer.status {
                    200 | 301 | 302 | 303 | 307 | 308 => Ok(answer),
                    status => Err(Error::Status { host: host.clone(), status }),
                });
            self.noted(&host, answer.as_ref().err());
            let answer = answer?;
            if answer.status == 200 {
                return Ok(answer.body);
            }
            let location = answer.field("location").ok_or_else(|| malformed("a redirect to nowhere"))?;
            // CASES T-120: one, and checked like the first.
            redirects = redirects.checked_sub(1).ok_or(Error::Forbidden {
                host,
                because: "redirects once too often",
                address: None,
            })?;
            url = url.join(location)?;
        }
    }

    /// What `url` answers, whatever its status; redirects are not followed.
    pub(crate) async fn answer(&self, url: &str, ask: Ask<'_>) -> Result<Answer, Error> {
        let url = Url::parse(url)?;
        let host = url.authority();
        self.breaker.check(&host, Instant::now())?;
        // RFC 9112 §6.3: these have no body, and neither has what answers HEAD.
        let with_body: fn(u32) -> bool = match ask {
            Ask::Head => |_| false,
            _ => |status| !matches!(status, 100..=199 | 204 | 304),
        };
        let answer = self.once(&url, ask, self.timeout, with_body).await;
        self.noted(&host, answer.as_ref().err());
        answer
    }

    fn noted(&self, host: &str, error: Option<&Error>) {
        match error {
            None => self.breaker.succeeded(host),
            Some(error) if error.is_servers_fault() => self.breaker.failed(host, Instant::now()),
            Some(_) => {}
        }
    }

    /// One question and its answer; its body is read when its status is one of `with_body`.
    async fn once(&self, url: &Url, ask: Ask<'_>, left: Duration, with_body: fn(u32) -> bool) -> Result<Answer, Error> {
        match tokio::time::timeout(left, self.connected(url, ask, with_body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { host: url.authority() }),
        }
    }

    async fn connected(&self, url: &Url, ask: Ask<'_>, with_body: fn(u32) -> bool) -> Result<Answer, Error> {
        let forbidden = |because, address| Error::Forbidden { host: url.authority(), because, address };
        let public_only = match &self.reach {
            Reach::Public if url.tls || url.port != 80 => return Err(forbidden("is not plain HTTP on port 80", None)),
            Reach::Public => true,
            Reach::Anywhere => false,
            Reach::Secure(_) if !url.tls => return Err(forbidden("is not HTTPS", None)),
            Reach::Secure(home) => url.host != *home,
        };
        let addresses = match &url.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await.map_err(|error| unreachable(url, &error))?,
        };
        // One that is not public is enough: a name that stands for both is up to something.
        if public_only && let Some(&inside) = addresses.iter().find(|address| !is_public(**address)) {
            return Err(forbidden("is not a public address", Some(inside)));
        }
        let stream = connect(url, &addresses).await?;
        let request = request(url, ask);
        match (&self.tls, url.tls) {
            (_, false) => self.exchange(url, stream, &request, with_body).await,
            (Some(roots), true) => {
                let stream = roots.connect(&url.host.to_string(), stream).await?;
                self.exchange(url, stream, &request, with_body).await
            }
            (None, true) => Err(forbidden("needs TLS, for which no root is trusted", None)),
        }
    }

    async fn exchange<S>(
        &self,
        url: &Url,
        mut stream: S,
        request: &[u8],
        with_body: fn(u32) -> bool,
    ) -> Result<Answer, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let broken = |error: std::io::Error| unreachable(url, &error);
        stream.write_all(request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut incoming = Incoming { url, stream, buffer: Vec::new(), ended: false };
        let head = incoming.head().await?;
        let body = match (head.chunked, head.length) {
            (true, Some(_)) => return Err(malformed("both a length and chunks")),
            _ if !with_body(head.status) => Vec::new(),
            (true, None) => incoming.chunks(self.octets).await?,
            (false, Some(length)) => {
                let length = usize::try_from(length).ok().filter(|&length| length <= self.octets);
                incoming.exactly(length.ok_or(self.too_large())?).await?
            }
            (false, None) => incoming.rest(self.octets).await?,
        };
        Ok(Answer { status: head.status, fields: head.fields, body })
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { what: "an HTTP answer", limit: self.octets }
    }
}

fn malformed(because: &str) -> Error {
    Error::Malformed { what: "an HTTP answer", because: because.to_owned() }
}

fn unreachable(url: &Url, error: &std::io::Error) -> Error {
    Error::Unreachable { host: url.authority(), because: error.to_string() }
}

async fn connect(url: &Url, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::Unreachable { host: url.authority(), because: "its name has no address".into() };
    for address in addresses.iter().take(MOST_TRIES) {
        match TcpStream::connect(SocketAddr::new(*address, url.port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = unreachable(url, &error),
        }
    }
    Err(last)
}

fn request(url: &Url, ask: Ask<'_>) -> Vec<u8> {
    let (verb, fields, body) = match ask {
        Ask::Get => ("GET", String::new(), &[][..]),
        Ask::Head => ("HEAD", String::new(), &[][..]),
        Ask::Post { content_type, body, authorization } => {
            let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
            let length = body.len();
            ("POST", format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n{authorization}"), body)
        }
    };
    let head = format!(
        "{verb} {} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nUser-Agent: sealpost\r\n{fields}Connection: close\r\n\r\n",
        url.target,
        url.authority()
    );
    [head.as_bytes(), body].concat()
}

struct Head {
    status: u32,
    length: Option<u64>,
    chunked: bool,
    fields: Vec<(String, String)>,
}

/// An answer on its way in. Nothing is taken of it that was not asked for.
struct Incoming<'a, S> {
    url: &'a Url,
    stream: S,
    buffer: Vec<u8>,
    ended: bool,
}

impl<S: AsyncRead + Unpin> Incoming<'_, S> {
    async fn more(&mut self) -> Result<(), Error> {
        let mut piece = [0; 8192];
        let read = self.stream.read(&mut piece).await.map_err(|error| unreachable(self.url, &error))?;
        self.ended = read == 0;
        self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(())
    }

    async fn head(&mut self) -> Result<Head, Error> {
        let mut lines = Vec::new();
        let mut left = MOST_HEAD;
        loop {
            let line = self.line(left).await?;
            left = left.saturating_sub(line.len() + 2);
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut lines = lines.into_iter();
        let status = lines.next().unwrap_or_default();
        let status = status
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| malformed("no status line"))?;
        let mut head = Head { status, length: None, chunked: false, fields: Vec::new() };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header field without a colon"))?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "content-length" => {
                    let length = value.parse().map_err(|_| malformed("an odd length"))?;
                    if head.length.is_some_and(|other| other != length) {
                        return Err(malformed("two lengths"));
                    }
                    head.length = Some(length);
                }
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => head.chunked = true,
                "transfer-encoding" => return Err(malformed("a transfer encoding that was not asked for")),
                "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
                    return Err(malformed("a content encoding that was not asked for"));
                }
                _ => {}
            }
            head.fields.push((name, value.to_owned()));
        }
        Ok(head)
    }

    async fn line(&mut self, most: usize) -> Result<String, Error> {
        let mut looked = 0;
        loop {
            if let Some(found) = self.buffer.iter().skip(looked).position(|&b| b == b'\n') {
                let rest = self.buffer.split_off(looked + found + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                let line = String::from_utf8(line).map_err(|_| malformed("a line that is not ASCII"))?;
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            looked = self.buffer.len();
            if looked > most {
                return Err(Error::TooLarge { what: "an HTTP header", limit: MOST_HEAD });
            }
            if self.ended {
                return Err(malformed("it ends too soon"));
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        while self.buffer.len() < length {
            if self.ended {
                return Err(malformed("it ends too soon"));
            }
            self.more().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn rest(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        while !self.ended {
            if self.buffer.len() > most {
                return Err(Error::TooLarge { what: "an HTTP answer", limit: most });
            }
            self.more().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    // RFC 9112 §7.1
    async fn chunks(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        loop {
            let line = self.line(MOST_CHUNK_LINE).await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| malformed("an odd chunk"))?;
            if length > most.saturating_sub(content.len()) {
                return Err(Error::TooLarge { what: "an HTTP answer", limit: most });
            }
            if length == 0 {
                // Trailer fields tell nothing that was asked for; the connection ends with this answer.
                return Ok(content);
            }
            content.append(&mut self.exactly(length).await?);
            if !self.line(MOST_CHUNK_LINE).await?.is_empty() {
                return Err(malformed("an odd chunk"));
            }
        }
    }
}

const MOST_HEAD: usize = 16 << 10;
const MOST_CHUNK_LINE: usize = 256;
const MOST_TRIES: usize = 3;
