//! A Homeroom client: reconnects, resumes, and retries with keys.
