'use strict'
// What a peer does with a connection, on either side:
//   echo     sends back what comes, and ends when the other side has ended
//   digest   reads to the end, then answers with the SHA-256 of all of it in hex, and ends
//   send     sends `bytes` bytes of the pattern and ends; reads all the while, to the end
//   receive  sends nothing, and ends when the other side has ended
//   hold     sends nothing and never ends
//   break    sends `bytes` bytes of the pattern and, when the other side says something, breaks off with an error
// When both directions are over: {received, sha256, sent, sentSha256, error}, `error` null if both ended cleanly.

const { createHash } = require('crypto')
const pull = require('pull-stream')
const { deferred, followedBy, pattern } = require('./sources')

exports.run = function (stream, { behaviour, bytes = 0 }, report) {
  const inbound = tally()
  const outbound = tally()
  const ended = both((error) =>
    report({ received: inbound.count, sha256: inbound.hex(), sent: outbound.count, sentSha256: outbound.hex(), error })
  )
  const source = pull(stream.source, watch(inbound, ended('source')))
  const sink = pull(watch(outbound, ended('sink')), stream.sink)
  const ignore = () => {}
  const later = deferred()

  const behaviours = {
    echo() {
      pull(source, sink)
    },
    digest() {
      pull(later.source, sink)
      pull(source, pull.drain(ignore, () => later.resolve(pull.once(Buffer.from(inbound.hex())))))
    },
    send() {
      pull(pattern(bytes), sink)
      pull(source, pull.drain(ignore, ignore))
    },
    receive() {
      pull(later.source, sink)
      pull(source, pull.drain(ignore, () => later.resolve(pull.empty())))
    },
    hold() {
      pull(later.source, sink)
      pull(source, pull.drain(ignore, ignore))
    },
    break() {
      pull(followedBy(pattern(bytes), later.source), sink)
      const breakOff = (data) => {
        // An empty frame comes as an empty chunk, and says nothing.
        if (data.length > 0) later.resolve(pull.error(new Error('broken off on purpose')))
      }
      pull(source, pull.drain(breakOff, ignore))
    },
  }
  behaviours[behaviour]()
}

// Counts and hashes bytes; the hash is final.
function tally() {
  const hash = createHash('sha256')
  let hex
  return {
    count: 0,
    add(data) {
      this.count += data.length
      hash.update(data)
    },
    hex: () => (hex = hex || hash.digest('hex')),
  }
}

// Counts what passes, and tells how the direction ended: null, or the error.
function watch(tally, ended) {
  return (read) => (abort, cb) => {
    if (abort) ended(abort === true ? null : abort)
    read(abort, (end, data) => {
      if (end) ended(end === true ? null : end)
      else tally.add(data)
      cb(end, data)
    })
  }
}

// Calls back once, when both sides have ended, with the message of the first error.
function both(cb) {
  const open = new Set(['source', 'sink'])
  let failure = null
  return (side) => (error) => {
    if (!open.delete(side)) return
    if (error && !failure) failure = String(error.message || error.type || error)
    if (open.size === 0) cb(failure)
  }
}
