'use strict'

const PERIOD = 65521

const block = Buffer.from(Array.from({ length: PERIOD }, (_, p) => (p * 31 + (p >> 8)) & 0xff))

// A source of `bytes` bytes of a pattern whose period is a prime, so that no frame that is lost, doubled or swapped
// leaves the hash of the whole as it was.
exports.pattern = function (bytes) {
  let left = bytes
  return (abort, cb) => {
    if (abort) return cb(abort)
    if (left === 0) return cb(true)
    const size = Math.min(left, PERIOD)
    left -= size
    // A copy, since somebody below may mask or encrypt in place.
    cb(null, Buffer.from(block.subarray(0, size)))
  }
}

// One source after the other.
exports.followedBy = function (first, second) {
  let source = first
  return function read(abort, cb) {
    source(abort, (end, data) => {
      if (end !== true || abort || source === second) return cb(end, data)
      source = second
      read(null, cb)
    })
  }
}

// A source whose content is decided later, by `resolve(source)`.
exports.deferred = function () {
  let inner, waiting
  return {
    source(abort, cb) {
      if (inner) return inner(abort, cb)
      if (!abort) return (waiting = cb)
      inner = (_, cb) => cb(abort)
      if (waiting) waiting(abort)
      cb(abort)
    },
    resolve(source) {
      if (inner) return
      inner = source
      if (waiting) inner(null, waiting)
    },
  }
}
