'use strict'
// Runs in a browser page: the multiserver client over ws~shs. `window.exchange(options)` dials options.address, sends
// options.bytes bytes of the pattern, reads until the server ends, then ends too, and resolves with what it saw. Not
// earlier, since a browser drops whatever arrives after its own close.

const pull = require('pull-stream')
const MultiServer = require('multiserver')
const ws = require('multiserver/plugins/ws')
const shs = require('multiserver/plugins/shs')
const { deferred, followedBy, pattern } = require('../sources')

window.exchange = ({ address, seed, appKey, bytes }) =>
  new Promise((resolve, reject) => {
    const client = MultiServer([[ws({}), shs({ keys: Buffer.from(seed, 'base64'), appKey, auth: (_, cb) => cb(null, false) })]])
    client.client(address, (error, stream) => {
      if (error) return reject(error)
      const end = deferred()
      pull(followedBy(pattern(bytes), end.source), stream.sink)
      pull(
        stream.source,
        pull.collect(async (error, chunks) => {
          end.resolve(pull.empty())
          const received = Buffer.concat(chunks)
          resolve({
            address: stream.address,
            remote: stream.remote.toString('base64'),
            received: received.length,
            sha256: Buffer.from(await crypto.subtle.digest('SHA-256', received)).toString('hex'),
            error: error ? String(error.message || error.type || error) : null,
          })
        })
      )
    })
  })
