//! A layer made of one closure.

use std::{fmt, future::Future};

use tower_layer::Layer;

use crate::{BoxIo, Connection, Error, Io, Role, Section, Transform, Transformed};

/// A layer made of a function over type-erased connections; see [`transform_fn`].
#[derive(Clone)]
pub struct TransformFn<F> {
    name: &'static str,
    f: F,
}

/// Makes a layer of `f`, which handles the section called `name` on both sides.
///
/// ```
/// use tower_multiserver_core::{Connection, Role, Section, transform_fn};
///
/// let greet = transform_fn("hello", async |connection: Connection, role: Role<Section>| {
///     // Shake hands here.
///     Ok(connection.layered(Section::new("hello"), |io| io))
/// });
/// # let _ = greet;
/// ```
// The bounds are here, and not only on the impl, so that the closure's types are inferred.
pub fn transform_fn<F, Fut>(name: &'static str, f: F) -> TransformFn<F>
where
    F: FnOnce(Connection, Role<Section>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Connection, Error>> + Send,
{
    TransformFn { name, f }
}

impl<S, F: Clone> Layer<S> for TransformFn<F> {
    type Service = Transformed<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl<F, Fut> Transform for TransformFn<F>
where
    F: FnOnce(Connection, Role<Section>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Connection, Error>> + Send,
{
    type Args = Section;
    type Io<I: Io> = BoxIo;

    fn name(&self) -> &str {
        self.name
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        role: Role<Section>,
    ) -> Result<Connection, Error> {
        (self.f)(connection.boxed(), role).await
    }
}

impl<F> fmt::Debug for TransformFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformFn")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
