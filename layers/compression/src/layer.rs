//! The layer.

use tower_layer::Layer;
use tower_multiserver_core::{
    Connection, Error, HalfClose, Io, Role, Section, Transform, Transformed,
};

#[cfg(any(
    feature = "gzip",
    feature = "zstd",
    feature = "deflate",
    feature = "brotli"
))]
use crate::format;
use crate::{
    CompressionIo, compressor::Compressor, decompressor::Decompressor, format::Format,
    limits::Limits,
};

/// Layer that compresses what goes over the connections of a stack: the section `gzip`, `zstd`, `deflate` or `br`.
///
/// To a connection it adds the fact [`HalfClose`]. It shakes no hands: that a peer does not speak the format shows at the
/// first read.
#[derive(Clone, Debug)]
pub struct CompressionLayer {
    format: &'static Format,
    level: i32,
    limits: Limits,
}

/// The service that [`CompressionLayer`] makes of the service below it.
pub type Compression<S> = Transformed<S, CompressionLayer>;

impl CompressionLayer {
    /// The section `gzip`: RFC 1952, which everybody can read. Levels 0 to 9, and 6 unless set.
    #[cfg(feature = "gzip")]
    #[cfg_attr(docsrs, doc(cfg(feature = "gzip")))]
    pub fn gzip() -> Self {
        Self::new(&format::gzip::FORMAT)
    }

    /// The section `zstd`: RFC 8878, which is several times as fast as gzip and smaller. Levels -131072 to 22, and 3 unless
    /// set. Our own compressor takes 80 MiB and more from level 20 on.
    #[cfg(feature = "zstd")]
    #[cfg_attr(docsrs, doc(cfg(feature = "zstd")))]
    pub fn zstd() -> Self {
        Self::new(&format::zstd::FORMAT)
    }

    /// The section `deflate`: that of HTTP, which is the zlib format of RFC 1950. Levels 0 to 9, and 6 unless set.
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    pub fn deflate() -> Self {
        Self::new(&format::deflate::FORMAT)
    }

    /// The section `br`: Brotli, RFC 7932. Levels 0 to 11, and 5 unless set.
    #[cfg(feature = "brotli")]
    #[cfg_attr(docsrs, doc(cfg(feature = "brotli")))]
    pub fn brotli() -> Self {
        Self::new(&format::brotli::FORMAT)
    }

    #[cfg_attr(
        not(any(
            feature = "gzip",
            feature = "zstd",
            feature = "deflate",
            feature = "brotli"
        )),
        expect(dead_code, reason = "there is no format to make one of")
    )]
    fn new(format: &'static Format) -> Self {
        Self {
            format,
            level: format.level,
            limits: Limits::default(),
        }
    }

    /// Sets how much work is put into what we send: higher is smaller and slower. The numbers are those of the format, and
    /// one beyond them is the nearest of them. A peer may use another level.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Sets how many bytes a peer may say in all, decompressed. One more is a [`Limit`](tower_multiserver_core::ErrorKind).
    /// Without it there is no limit, since a connection may live long.
    #[must_use]
    pub fn max_bytes(mut self, max: u64) -> Self {
        self.limits.bytes = Some(max);
        self
    }

    /// Sets how many times as long as it was sent may become what a peer says, over the whole connection and behind its
    /// first [`RATIO_GRACE`](crate::RATIO_GRACE) bytes. More is a [`Limit`](tower_multiserver_core::ErrorKind). Without it
    /// there is no limit: a long run of one byte becomes a thousand times as long in gzip, and far more in the others.
    #[must_use]
    pub fn max_ratio(mut self, max: u32) -> Self {
        self.limits.ratio = Some(max);
        self
    }
}

impl<S> Layer<S> for CompressionLayer {
    type Service = Compression<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Transformed::new(inner, self.clone())
    }
}

impl Transform for CompressionLayer {
    type Args = ();
    type Io<I: Io> = CompressionIo<I>;

    fn name(&self) -> &str {
        self.format.name
    }

    async fn upgrade<I: Io>(
        self,
        connection: Connection<I>,
        _: Role,
    ) -> Result<Connection<CompressionIo<I>>, Error> {
        let info = connection.info();
        let mut place = info.address().clone();
        place.push(self.section());
        let (has_half_close, takes_shutdown) = (info.has_half_close(), info.takes_shutdown());
        let compressor = Compressor::new(self.format, self.level);
        let decompressor = Decompressor::new(self.format, self.limits, has_half_close);
        let over = |io| CompressionIo::new(io, (compressor, decompressor), place, takes_shutdown);
        Ok(connection
            .with(HalfClose)
            .layered(Section::new(self.format.name), over))
    }
}
