//! How-to page, webmailer, officer's board, REST API.
