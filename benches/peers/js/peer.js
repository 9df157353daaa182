'use strict'
// The JavaScript multiserver as one end of a pair, told what to do line by line as those in Rust are (src/child.rs):
//
//   node peer.js serve STACK WORK
//   node peer.js dial STACK WORK ADDRESS
//
// Its sockets send small writes at once here, unlike those of the package as it comes: with Nagle's algorithm, header and
// body of a frame, which it writes apart, wait for each other's acknowledgement, 40 ms a message.

const fs = require('fs')
const net = require('net')
const readline = require('readline')

const { connect, createServer } = net
net.connect = (...args) => connect(...args).setNoDelay(true)
net.createServer = (...args) => createServer({ noDelay: true }, ...args.filter((arg) => typeof arg === 'function'))

const pull = require('pull-stream')
const MultiServer = require('multiserver')
const plugins = {
  net: require('multiserver/plugins/net'),
  shs: require('multiserver/plugins/shs'),
  noauth: require('multiserver/plugins/noauth'),
}

const [role, stack, workText, address] = process.argv.slice(2)
const work = JSON.parse(workText)
const CHUNK = Buffer.alloc(64 * 1024, 7)
const SMALL = Buffer.alloc(64, 7)
const WARM = 16 << 20

const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n')

function used() {
  const { user, system } = process.cpuUsage()
  const pages = fs.readFileSync('/proc/self/statm', 'utf8').split(' ')[1]
  return { cpu: (user + system) * 1e-6, memory: pages * 4 }
}

// A connection as promises: what is sent goes out at once, what arrives is counted.
function channel(stream) {
  let wanted = 0
  let wake
  let arrived = 0
  let ask
  const queue = []
  pull((end, cb) => {
    if (end) return cb(end)
    if (queue.length > 0) cb(null, queue.shift())
    else ask = cb
  }, stream.sink)
  const check = () => {
    if (wake && arrived >= wanted) {
      arrived -= wanted
      const done = wake
      wake = undefined
      done()
    }
  }
  pull(stream.source, pull.drain((data) => {
    arrived += data.length
    check()
  }, () => {}))
  return {
    send(data) {
      if (!ask) return queue.push(data)
      const cb = ask
      ask = undefined
      cb(null, data)
    },
    // All of it, as fast as it is taken.
    sendAll(bytes) {
      for (let left = bytes; left > 0; left -= CHUNK.length) queue.push(CHUNK)
      this.send(queue.shift())
    },
    receive(bytes) {
      return new Promise((resolve) => {
        wanted = bytes
        wake = resolve
        check()
      })
    },
    end: () => stream.source(true, () => {}),
  }
}

async function serveOne(stream) {
  const peer = channel(stream)
  const name = Object.keys(work)[0]
  if (name === 'bulk') {
    for (const bytes of [WARM, work.bulk.bytes]) {
      await peer.receive(bytes)
      peer.send(Buffer.from([1]))
    }
  } else if (name === 'handshakes') {
    peer.send(Buffer.from([1]))
  } else {
    for (;;) {
      await peer.receive(SMALL.length)
      peer.send(SMALL)
    }
  }
}

// Both ends hold the same key.
function make(port, auth) {
  const shs = plugins.shs({ keys: Buffer.alloc(32, 7), appKey: Buffer.alloc(32, 7), auth, timeout: 10000 })
  const noauth = plugins.noauth({ keys: { publicKey: shs.publicKey } })
  const transport = plugins.net({ host: '127.0.0.1', port })
  return MultiServer([[transport, stack === 'js net~shs' ? shs : noauth]])
}

function serve() {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => {
      const server = make(port, (key, cb) => cb(null, true))
      server.server(serveOne, () => {}, () => obey(server.stringify('device'), {}))
    })
  })
}

const dialOne = (client) =>
  new Promise((resolve, reject) =>
    client.client(address, (error, stream) => (error ? reject(error) : resolve(channel(stream))))
  )

const microseconds = () => Number(process.hrtime.bigint()) / 1000

async function ping(peer, count) {
  const times = []
  for (let i = 0; i < count; i++) {
    const start = microseconds()
    peer.send(SMALL)
    await peer.receive(SMALL.length)
    times.push(microseconds() - start)
  }
  return times
}

async function send(peer, bytes) {
  peer.sendAll(bytes)
  await peer.receive(1)
}

async function dial() {
  const client = make(0)
  let peer
  const held = []
  let times = []
  const works = {
    bulk: ({ bytes }) => send(peer, bytes),
    async handshakes({ count, at_once: atOnce }) {
      let left = count
      const one = async () => {
        while (left-- > 0) {
          const peer = await dialOne(client)
          await peer.receive(1)
          peer.end()
        }
      }
      await Promise.all(Array.from({ length: atOnce }, one))
    },
    async ping({ count }) {
      times = await ping(peer, count)
    },
    async idle({ count }) {
      for (let i = 0; i < count; i++) {
        const peer = await dialOne(client)
        await ping(peer, 1)
        held.push(peer)
      }
    },
  }
  const [name] = Object.keys(work)
  if (name === 'bulk' || name === 'ping') peer = await dialOne(client)
  if (name === 'bulk') await send(peer, WARM)
  if (name === 'ping') await ping(peer, work.ping.count / 10)
  obey(address, {
    async work() {
      const start = microseconds()
      await works[name](work[name])
      const seconds = (microseconds() - start) * 1e-6
      times.sort((a, b) => a - b)
      const at = (part) => times[Math.floor(times.length * part)] || 0
      say({ seconds, p50: at(0.5), p99: at(0.99) })
    },
  })
}

function obey(address, { work }) {
  say({ address })
  let start = used()
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'work') return work()
    if (line === 'start') {
      start = used()
      return say({})
    }
    const now = used()
    say({ cpu: now.cpu - start.cpu, memory: now.memory - start.memory })
  }).on('close', () => process.exit(0))
}

if (role === 'serve') serve()
else dial()
