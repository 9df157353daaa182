//! A transform of one's own, for both sides, in under 30 lines: `version`, by which peers that speak different versions
//! of an application's protocol find out before they misunderstand each other.
//!
//! ```console
//! $ cargo run --example custom_layer
//! listening on net:127.0.0.1:40123~shs:…~version
//! version 2 dials: welcome
//! version 1 dials: handshake failed at `net:127.0.0.1:40123~shs:…~version`
//! ```

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{BoxError, Layer, ServiceBuilder};
use tower_multiserver::{
    Connection, Error, ErrorKind, Identity, Io, Role, Section, Shutdown, StackExt as _, Transform,
    Transformed, net::Net, shs::ShsLayer,
};

#[derive(Clone)]
struct VersionLayer(u8);

impl<S> Layer<S> for VersionLayer {
    type Service = Transformed<S, Self>;
    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl Transform for VersionLayer {
    type Args = ();
    type Io<I: Io> = I;
    fn name(&self) -> &str {
        "version"
    }
    async fn upgrade<I: Io>(self, mut io: Connection<I>, _: Role) -> Result<Connection<I>, Error> {
        io.write_u8(self.0).await?;
        io.flush().await?;
        let peers = io.read_u8().await?;
        if peers != self.0 {
            let reason = format!("the peer speaks version {peers}");
            return Err(Error::new(ErrorKind::Handshake, reason));
        }
        Ok(io.layered(Section::new("version"), |io| io))
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stack = |version| -> Result<_, Error> {
        Ok(ServiceBuilder::new()
            .layer(VersionLayer(version))
            .layer(ShsLayer::new(Identity::generate()?))
            .service(Net::new()))
    };

    let (_shutdown, closing) = Shutdown::new();
    let server = stack(2)?;
    let at = "net:127.0.0.1:0~shs~version";
    let mut incoming = server.listen(at, closing).await?;
    let (_, address) = incoming.addresses()[0].clone();
    println!("listening on {address}");

    for version in [2, 1] {
        let client = stack(version)?;
        let (dialed, accepted) = tokio::join!(client.dial(address.clone()), incoming.next());
        assert_eq!(accepted.ok_or("closed")?.is_ok(), version == 2);
        match dialed {
            Ok(_) => println!("version {version} dials: welcome"),
            Err(error) => println!("version {version} dials: {error}"),
        }
    }
    Ok(())
}
