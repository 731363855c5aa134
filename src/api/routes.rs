//! Every route of the HTTP server: a row of [`ROUTES`], and its handler below.
//!
//! Handlers only read: the board, and by [`Query`] committed users. All run on one thread, so a handler that walks a
//! table yields between two slices.
//!
//! Must not know: connections and their limits.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde::Serialize;

use super::query::{Query, QueryError};
use super::registry::Registry;
use crate::runtime::{Board, Clock, Job};
use crate::telemetry::{LabelValues, reasons_not_ready, remarks, render};

/// What handlers read.
#[derive(Debug)]
pub struct ApiState {
    /// What lanes say of themselves.
    pub board: Board,
    /// What is committed of users.
    pub query: Query,
    /// What the board's numbers are called.
    pub labels: LabelValues,
    /// The clock that lanes go by.
    pub clock: Clock,
}

impl ApiState {
    /// Of the lanes that run `job` and write `board` and `registry`.
    pub fn new(job: &Job, board: Board, registry: Arc<Registry>, clock: Clock) -> Self {
        let query = Query::new(registry, job.engine.rules().clone());
        Self { board, query, labels: LabelValues::of(job), clock }
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Only this method is answered; others get 405.
    pub method: MethodFilter,
    /// As axum writes paths: `/users/{partition}/{id}`.
    pub path: &'static str,
    /// What it answers: a line of docs/operations.md.
    pub doc: &'static str,
    /// Binds the handler to the row's method.
    pub handler: fn(MethodFilter) -> MethodRouter<Arc<ApiState>>,
}

/// What a process answers. A route more is a row more, and its handler.
pub const ROUTES: &[Route] = &[
    Route {
        method: MethodFilter::GET,
        path: "/metrics",
        doc: "every metric of docs/metrics.md, in Prometheus' text format",
        handler: |method| on(method, metrics),
    },
    Route {
        method: MethodFilter::GET,
        path: "/livez",
        doc: "200 for as long as the process answers",
        handler: |method| on(method, async || "alive\n"),
    },
    Route {
        method: MethodFilter::GET,
        path: "/readyz",
        doc: "200 when every assigned partition is restored and being read, else 503 and a line for each reason",
        handler: |method| on(method, readyz),
    },
];

pub(super) fn router(routes: &[Route], state: Arc<ApiState>) -> Router {
    let bind = |router: Router<_>, route: &Route| router.route(route.path, (route.handler)(route.method));
    routes.iter().fold(Router::new(), bind).with_state(state)
}

async fn metrics(State(state): State<Arc<ApiState>>) -> impl IntoResponse {
    // Copied, so that lanes don't wait for the text.
    let status = state.board.read(Clone::clone);
    let text = render(&status, &state.labels, state.clock.wall());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn readyz(State(state): State<Arc<ApiState>>) -> impl IntoResponse {
    let (reasons, remarks) = state.board.read(|status| (reasons_not_ready(status), remarks(status)));
    let (status, first) = match reasons.is_empty() {
        true => (StatusCode::OK, vec!["ready".to_owned()]),
        false => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    };
    (status, [first, remarks].concat().join("\n") + "\n")
}

/// An answer in JSON; None: 404.
#[derive(Debug)]
pub struct Json<T>(pub Option<T>);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let Some(answer) = self.0 else { return (StatusCode::NOT_FOUND, "not known\n").into_response() };
        match serde_json::to_vec(&answer) {
            Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        let status = match self {
            // It may be another member's: there it can be asked.
            Self::NotServed(_) => StatusCode::NOT_FOUND,
            Self::State { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}
