//! The service beside WebSockets.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tower::{ServiceExt as _, util::BoxCloneService};
use tower_multiserver_core::{BoxError, LocalAddr, PeerAddr, Scope};
use tower_service::Service;

use super::{door::Link, upgrade::Refusal};
use crate::lock::lock;

/// What answers the requests that want no WebSocket.
#[derive(Clone)]
pub(super) struct Fallback(Arc<Mutex<Boxed>>);

type Boxed = BoxCloneService<Request<Incoming>, Response<AnyBody>, BoxError>;
pub(super) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

impl Fallback {
    pub(super) fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let service = service.map_response(|response: Response<B>| response.map(any_body));
        Self(Arc::new(Mutex::new(
            service.map_err(Into::into).boxed_clone(),
        )))
    }

    /// Answers a request, to which the facts of its connection are added.
    pub(super) async fn answer(
        self,
        mut request: Request<Incoming>,
        link: Link,
    ) -> Response<AnyBody> {
        let extensions = request.extensions_mut();
        extensions.extend(link.facts);
        extensions.insert::<Scope>(link.scope);
        link.peer.map(|addr| extensions.insert(PeerAddr(addr)));
        link.local.map(|addr| extensions.insert(LocalAddr(addr)));
        let service = lock(&self.0).clone();
        match service.oneshot(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(error = &*error, "the fallback service failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Response::from(Refusal::new(status, "something went wrong")).map(any_body)
            }
        }
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").finish_non_exhaustive()
    }
}

pub(super) fn any_body(
    body: impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
) -> AnyBody {
    body.map_err(Into::into).boxed_unsync()
}
