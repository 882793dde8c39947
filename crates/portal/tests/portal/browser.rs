use std::io::Read as _;

/// A browser as far as tests need one: cookies, forms, and no following of redirects.
pub(crate) struct Browser {
    agent: ureq::Agent,
    base: String,
    language: &'static str,
}

/// What was answered.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) html: String,
    pub(crate) octets: Vec<u8>,
}

impl Browser {
    pub(crate) fn new(base: &str, language: &'static str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        Self { agent: config.into(), base: base.to_owned(), language }
    }

    /// The value of a cookie that it keeps.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let jar = self.agent.cookie_jar_lock();
        let found = jar.iter().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned());
        found.unwrap_or_default()
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        let mut request = self.agent.get(format!("{}{path}", self.base)).header("Accept-Language", self.language);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().unwrap())
    }

    /// Submits the form of a page: its token and these fields.
    pub(crate) fn submit(&self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = page.csrf();
        let all = fields.iter().copied().chain([("csrf", csrf.as_str())]);
        self.post_with(path, &[("Sec-Fetch-Site", "same-origin")], &all.collect::<Vec<_>>())
    }

    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Page {
        let mut request = self.agent.post(format!("{}{path}", self.base)).header("Accept-Language", self.language);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send_form(fields.iter().copied()).unwrap())
    }

    /// Submits files with the form of a page.
    pub(crate) fn upload(&self, page: &Page, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Page {
        self.upload_to("certificate", page, path, fields, files)
    }

    /// The same with one file in a field of this name.
    pub(crate) fn upload_as(&self, field: &str, page: &Page, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Page {
        self.upload_to(field, page, path, fields, &[("file", file)])
    }

    fn upload_to(
        &self,
        field: &str,
        page: &Page,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
    ) -> Page {
        const BOUNDARY: &str = "----a-boundary-of-the-tests";
        let mut body = Vec::new();
        let csrf = page.csrf();
        for (name, value) in fields.iter().copied().chain([("csrf", csrf.as_str())]) {
            let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        for (name, bytes) in files {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(part.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Accept-Language", self.language)
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"));
        read(request.send(&body[..]).unwrap())
    }
}

fn read(response: ureq::http::Response<ureq::Body>) -> Page {
    let headers: Vec<(String, String)> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let location = headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
    let status = response.status().as_u16();
    let mut octets = Vec::new();
    response.into_body().into_reader().read_to_end(&mut octets).unwrap();
    let html = String::from_utf8_lossy(&octets).into_owned();
    Page { status, location: location.unwrap_or_default(), headers, html, octets }
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn csrf(&self) -> String {
        let found = self.html.split("name=\"csrf\" value=\"").last().filter(|_| self.html.contains("name=\"csrf\""));
        found.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// The text, without tags and with white space folded.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut in_tag = false;
        for character in self.html.chars() {
            match character {
                '<' => {
                    in_tag = true;
                    text.push(' ');
                }
                '>' if in_tag => in_tag = false,
                _ if in_tag => {}
                other => text.push(other),
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Every tag with the names of its attributes, in order: what a browser would build.
    pub(crate) fn structure(&self) -> Vec<String> {
        let mut structure = Vec::new();
        for tag in self.html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            let mut names = String::new();
            for (index, piece) in tag.split('"').enumerate() {
                // Outside of quotes: the tag's name and those of attributes.
                if index % 2 == 0 {
                    names.push_str(piece.trim_end_matches('='));
                }
            }
            structure.push(names.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        structure
    }
}
