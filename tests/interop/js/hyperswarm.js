// Peers of Hyperswarm, and a DHT of their own on the loopback interface, told what to do line by line.
//
// A command is `{"id": 1, "do": "…", …}`; events are `{"id": 1, "event": "…", …}`.

'use strict'

const crypto = require('crypto')
const readline = require('readline')
const DHT = require('hyperdht')
const createTestnet = require('hyperdht/testnet')
const Hyperswarm = require('hyperswarm')
const rooms = require('./rooms')

let bootstrap
const swarms = new Map()

const tell = (id, event, more = {}) => console.log(JSON.stringify({ id, event, ...more }))
const hex = (buffer) => buffer.toString('hex')
const sha256 = (buffer) => crypto.createHash('sha256').update(buffer).digest('hex')
const keyPair = (seed) => DHT.keyPair(Buffer.alloc(32, seed))
const node = () => new DHT({ bootstrap, host: '127.0.0.1' })

// What is done with a connection, by the name of it.
const behaviours = {
  // Sends so many bytes and ends; tells what came once the other has ended too.
  exchange (id, connection, { size }) {
    const bytes = crypto.randomBytes(size)
    const began = Date.now()
    const came = []
    connection.on('data', (data) => came.push(data))
    connection.on('end', () => {
      const all = Buffer.concat(came)
      tell(id, 'exchanged', { sent: sha256(bytes), came: sha256(all), count: all.length, ms: Date.now() - began })
    })
    for (let at = 0; at < size; at += 65536) connection.write(bytes.subarray(at, at + 65536))
    connection.end()
  },
  // Answers with what came, when the other direction has ended.
  answer (id, connection) {
    const came = []
    connection.on('data', (data) => came.push(data))
    connection.on('end', () => connection.end(Buffer.concat(came)))
  },
  // Breaks off at the first byte.
  destroy (id, connection) {
    connection.once('data', () => connection.destroy())
  },
  // Only looks on.
  keep (id, connection) {
    connection.on('data', (data) => tell(id, 'data', { text: data.toString() }))
    connection.on('end', () => tell(id, 'end'))
  }
}

function behave (id, connection, command) {
  const key = hex(connection.remotePublicKey)
  tell(id, 'connection', { key, initiator: connection.isInitiator, hash: hex(connection.handshakeHash) })
  connection.on('error', (error) => tell(id, 'error', { key, code: error.code || error.message }))
  connection.on('close', () => tell(id, 'close', { key }))
  behaviours[command.behaviour](id, connection, command)
}

const acts = {
  async testnet ({ id }) {
    const testnet = await createTestnet(6, { host: '127.0.0.1' })
    bootstrap = testnet.bootstrap
    tell(id, 'ready', { bootstrap: bootstrap.map(({ host, port }) => `${host}:${port}`) })
  },
  async use ({ id, nodes }) {
    bootstrap = nodes.map((text) => ({ host: text.split(':')[0], port: Number(text.split(':')[1]) }))
    tell(id, 'ready')
  },
  async listen (command) {
    const server = node().createServer((connection) => behave(command.id, connection, command))
    await server.listen(keyPair(command.seed))
    tell(command.id, 'ready', { key: hex(server.publicKey) })
  },
  async dial (command) {
    const began = Date.now()
    const connection = node().connect(Buffer.from(command.key, 'hex'), { keyPair: keyPair(command.seed) })
    connection.on('open', () => {
      tell(command.id, 'open', { ms: Date.now() - began })
      behave(command.id, connection, command)
    })
    connection.on('error', (error) => tell(command.id, 'error', { code: error.code || error.message }))
  },
  async join (command) {
    const swarm = new Hyperswarm({ dht: node(), keyPair: keyPair(command.seed) })
    swarms.set(command.seed, swarm)
    swarm.on('connection', (connection) => {
      connection.write('hello')
      behave(command.id, connection, command)
    })
    const discovery = swarm.join(Buffer.from(command.topic, 'hex'), { server: true, client: true })
    await discovery.flushed()
    tell(command.id, 'ready', { key: hex(swarm.keyPair.publicKey) })
  },
  async lookup ({ id, topic }) {
    const keys = new Set()
    for await (const { peers } of node().lookup(Buffer.from(topic, 'hex'))) {
      for (const { publicKey } of peers) keys.add(hex(publicKey))
    }
    tell(id, 'found', { keys: [...keys] })
  },
  ...rooms({ tell, hex, sha256, swarm: (seed) => new Hyperswarm({ dht: node(), keyPair: keyPair(seed) }) })
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line)
  acts[command.do](command).catch((error) => tell(command.id, 'crash', { error: error.stack }))
}).on('close', () => process.exit())
