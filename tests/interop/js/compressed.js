'use strict'
// Transforms of the reference over Node's zlib: gzip, deflate, br. Each chunk that is written is flushed.

const zlib = require('zlib')
const pull = require('pull-stream')
const toPull = require('stream-to-pull-stream')

const transform = (name, pack, unpack) => ({
  name,
  create: () => (stream, cb) =>
    cb(null, {
      ...stream,
      source: pull(stream.source, toPull.transform(unpack())),
      sink: pull(toPull.transform(pack()), stream.sink),
    }),
  parse: (text) => (text === name ? {} : null),
  stringify: () => name,
})

const flush = zlib.constants.Z_SYNC_FLUSH

exports.gzip = transform('gzip', () => zlib.createGzip({ flush }), zlib.createGunzip)
exports.deflate = transform('deflate', () => zlib.createDeflate({ flush }), zlib.createInflate)
exports.br = transform(
  'br',
  () => zlib.createBrotliCompress({ flush: zlib.constants.BROTLI_OPERATION_FLUSH, params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } }),
  zlib.createBrotliDecompress
)
