//! A route: one row of the table in `rest.rs`.

use std::{future::Future, pin::Pin};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method};
use parlor_common::problem::Problem;

use super::{call::Call, deps::Deps};

/// A path and what may be done on it.
#[derive(Debug)]
pub(super) struct Route {
    /// As the metric's label and the log name it.
    pub(super) name: &'static str,
    /// The path, with its parameters in braces. A slash at its end changes nothing.
    pub(super) path: &'static str,
    /// Who answers which method. `OPTIONS` is answered for every route.
    pub(super) methods: &'static [(Method, Handler)],
}

/// Answers one method of one route.
pub(super) type Handler = for<'a> fn(&'a Deps, &'a mut Call, Body) -> Answer<'a>;

/// An answer on its way.
pub(super) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send + 'a>>;

// === impl Route ===

impl Route {
    /// Who answers `method`.
    pub(super) fn handler(&self, method: &Method) -> Option<Handler> {
        self.methods.iter().find(|(known, _)| known == method).map(|&(_, handler)| handler)
    }

    /// As `Allow` lists the methods.
    pub(super) fn allow(&self) -> HeaderValue {
        let methods = self.methods.iter().map(|(method, _)| method.as_str());
        let all: Vec<_> = methods.chain(["OPTIONS"]).collect();
        HeaderValue::try_from(all.join(", ")).expect("a method's name is a token")
    }
}
