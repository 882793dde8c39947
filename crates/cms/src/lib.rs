//! CMS structures and one-pass processors.
