//! How long each layer took.

use std::time::Duration;

use tokio::time::Instant;

use crate::Connection;

/// A fact: how long a layer took to make its part of a connection. There is one of each layer with a section, the
/// transport's first; [`Info::all`](crate::Info::all) lists them.
///
/// That of a transport begins with the call that dials, or with the accepted socket, so it counts what middleware between
/// it and the first transform adds. That of a transform is its handshake.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_multiserver_core::Error> {
/// use tower::ServiceBuilder;
/// use tower_multiserver_core::{
///     Connection, LayerTime, Role, Section, StackExt, Transport, transform_fn,
/// };
///
/// let pipe = tower::service_fn(async |_: Section| std::io::Result::Ok(tokio::io::duplex(64).0));
/// let hello = transform_fn("hello", async |connection: Connection, _: Role<Section>| {
///     Ok(connection.layered(Section::new("hello"), |io| io))
/// });
/// let stack = ServiceBuilder::new().layer(hello).service(Transport::new("pipe", pipe));
///
/// let connection = stack.dial("pipe~hello").await?;
/// let times = connection.info().all::<LayerTime>();
/// assert_eq!(times.map(LayerTime::layer).collect::<Vec<_>>(), ["pipe", "hello"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerTime {
    layer: String,
    elapsed: Duration,
}

impl LayerTime {
    /// The name of the layer's section.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// Records that `layer` began at `start` and has ended now.
pub(crate) fn record<I>(connection: &mut Connection<I>, layer: &str, start: Instant) {
    connection.info_mut().insert(LayerTime {
        layer: layer.to_owned(),
        elapsed: start.elapsed(),
    });
}

/// Records that the transport began at `start` and has ended now, unless who knew it better has done so.
pub(crate) fn record_transport<I>(mut connection: Connection<I>, start: Instant) -> Connection<I> {
    if connection.info().get::<LayerTime>().is_none() {
        let name = connection.info().address().transport().name().to_owned();
        record(&mut connection, &name, start);
    }
    connection
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::{
        io::{DuplexStream, duplex},
        time::sleep,
    };
    use tower::{ServiceBuilder, service_fn};

    use crate::{Role, Section, StackExt as _, Transport, transform_fn};

    use super::*;

    const CONNECT: Duration = Duration::from_millis(30);

    async fn connect(_: Section) -> Result<DuplexStream, Infallible> {
        sleep(CONNECT).await;
        Ok(duplex(64).0)
    }

    fn times<I>(connection: &Connection<I>) -> Vec<(&str, u128)> {
        let times = connection.info().all::<LayerTime>();
        times
            .map(|time| (time.layer(), time.elapsed().as_millis()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_layer_has_its_own_time_in_their_order() {
        let slow = |name: &'static str, millis| {
            transform_fn(
                name,
                move |connection: Connection, _: Role<Section>| async move {
                    sleep(Duration::from_millis(millis)).await;
                    Ok(connection.layered(Section::new(name), |io| io))
                },
            )
        };
        let stack = ServiceBuilder::new()
            .layer(slow("outer", 5))
            .layer(slow("inner", 20))
            .service(Transport::new("pipe", service_fn(connect)));
        let connection = stack.dial("pipe~inner~outer").await.unwrap();
        let expected = [("pipe", 30), ("inner", 20), ("outer", 5)];
        assert_eq!(times(&connection), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bare_transport_has_its_time_too() {
        let stack = Transport::<_, Section>::new("pipe", service_fn(connect));
        let connection = stack.dial("pipe").await.unwrap();
        assert_eq!(times(&connection), [("pipe", 30)]);
    }
}
