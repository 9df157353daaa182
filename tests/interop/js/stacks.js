'use strict'
// Servers and clients of the reference from options:
//   plugins        ["net~shs", "ws~noauth", "net", …]: one stack each
//   seed           base64: the Ed25519 seed of our key pair
//   appKey         base64
//   timeout        milliseconds of patience in a shs handshake
//   auth           {mode: "allow" | "list" | "refuse" | "never", keys: [base64], delay: ms}; without delay it answers at once
//   tls            {key, cert}: the PEM files of a wss server
//   dir            the directory of the unix socket
//   allowHalfOpen  whether net and unix servers may answer a peer that has ended; an echo always may, since Node
//                  would otherwise end its side as soon as the peer has, with an answer perhaps still on its way

const fs = require('fs')
const http = require('http')
const https = require('https')
const net = require('net')
const MultiServer = require('multiserver')
const compressed = require('./compressed')
const plugins = {
  channel: require('multiserver-rn-channel'),
  net: require('multiserver/plugins/net'),
  ws: require('multiserver/plugins/ws'),
  wss: require('multiserver/plugins/ws'),
  unix: require('multiserver/plugins/unix-socket'),
  shs: require('multiserver/plugins/shs'),
  noauth: require('multiserver/plugins/noauth'),
}

// How often another free port is tried when somebody else was faster.
const ATTEMPTS = 10

exports.base64 = (key) => (key ? key.toString('base64') : null)

exports.makeServer = async function (options, { onAuth, onError, onConnection }) {
  for (let attempt = 1; ; attempt++) {
    const ports = {
      net: { host: '127.0.0.1', port: await freePort(), allowHalfOpen: mayAnswerLate(options) },
      // The plugin dies when its port is taken, so it gets a server that listens already.
      ws: { host: '127.0.0.1', server: uses(options, 'ws') ? await listening(http.createServer()) : undefined },
      wss: { host: '127.0.0.1', server: uses(options, 'wss') ? await listening(https.createServer(pair(options.tls))) : undefined },
      unix: { path: options.dir, allowHalfOpen: mayAnswerLate(options) },
    }
    const server = make(options, ports, authorizer(options.auth, onAuth))
    try {
      await new Promise((resolve, reject) => {
        server.server(onConnection, onError, (error) => (error ? reject(error) : resolve()))
      })
      return server
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || attempt === ATTEMPTS) throw error
    }
  }
}

// A server or a client over a pipe of messages, an event emitter with `send`. (The plugin never says that it has started.)
exports.makeOver = (channel, options, onAuth) => make(options, { channel }, authorizer(options.auth, onAuth))

exports.makeClient = (options) => make(options, { net: {}, ws: {}, wss: {}, unix: { path: options.dir || '/nonexistent' } }, undefined)

function make({ plugins: names, seed, appKey, timeout }, ports, auth) {
  const shs = plugins.shs({ keys: Buffer.from(seed, 'base64'), appKey, auth, timeout })
  const noauth = plugins.noauth({ keys: { publicKey: shs.publicKey } })
  const transforms = { shs, noauth, ...compressed }
  return MultiServer(
    names.map((name) => {
      const [transport, ...rest] = name.split('~')
      return [plugins[transport](ports[transport]), ...rest.map((transform) => transforms[transform])]
    })
  )
}

function authorizer({ mode = 'allow', keys = [], delay } = {}, onAuth) {
  return (key, cb) => {
    onAuth(key)
    const answer = {
      allow: () => cb(null, true),
      list: () => cb(null, keys.includes(exports.base64(key))),
      refuse: () => cb(null, false),
      never: () => {},
    }[mode]
    if (delay === undefined) answer()
    else setTimeout(answer, delay)
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

const uses = (options, transport) => options.plugins.some((name) => name.split('~')[0] === transport)

const pair = ({ key, cert }) => ({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) })

function listening(server) {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function mayAnswerLate (options) {
  return options.behaviour === 'echo' || Boolean(options.allowHalfOpen)
}
