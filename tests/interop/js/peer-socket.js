// PeerSocket over npm hyperswarm: the wire that the docs of the Rust module `peer_socket` describe, with npm's own protomux.
//
// A swarm of PeerSocket is a channel of the protocol `peersocket/1` on each connection. Its id is the BLAKE2b-256 of the
// topic, keyed with the hash of the connection. The handshake is the session data as JSON; messages of type 0 are those of
// the socket, of type 1 those that change session data, both as the protocol buffers of 2018.

'use strict'

const { EventEmitter } = require('events')
const c = require('compact-encoding')
const Protomux = require('protomux')
const sodium = require('sodium-universal')

const PROTOCOL = 'peersocket/1'
const MESSAGE = 0
const SESSION_DATA = 1
const JSON_TYPE = 'application/json'
const BYTES_TYPE = 'application/octet-stream'

// The rooms that are joined, by their Hyperswarm.
const joined = new WeakMap()

// Joins the open swarm `name` on a Hyperswarm, saying `sessionData` of ourselves if it is given. Several on one Hyperswarm
// share its connections. `options` are those of `swarm.join`.
//
// - `room.sockets`: those to the peers who are there, by key in hex. A socket has `id`, `sessionData`, `send(message)` with
//   a Buffer or a value for JSON, which gives false when the connection is full until `drained()`, and `close()`.
// - `room.setSessionData(value)` tells all of them, `await room.leave()` unannounces and closes every socket.
// - Events: `connect` (socket), `message` (socket, Buffer or value of JSON, type), `session-data` (socket), `close` (socket,
//   reason). Why a socket ended: `local`, `remote`, or that the connection was `lost`.
function join (swarm, name, sessionData, options = { server: true, client: true }) {
  let rooms = joined.get(swarm)
  if (!rooms) {
    joined.set(swarm, rooms = new Set())
    swarm.on('connection', (connection) => rooms.forEach((room) => room._open(connection)))
  }
  const room = new Room(swarm, rooms, topicOf(name), sessionData, options)
  rooms.add(room)
  // Those of other rooms.
  swarm.connections.forEach((connection) => room._open(connection))
  return room
}

class Room extends EventEmitter {
  constructor (swarm, rooms, topic, sessionData, options) {
    super()
    this.topic = topic
    this.sessionData = sessionData
    this.sockets = new Map()
    this._swarm = swarm
    this._rooms = rooms
    this.discovery = swarm.join(topic, options)
  }

  setSessionData (value) {
    this.sessionData = value
    for (const socket of this.sockets.values()) socket._send(SESSION_DATA, Buffer.from(JSON.stringify(value)), JSON_TYPE)
  }

  async leave () {
    this._rooms.delete(this)
    for (const socket of this.sockets.values()) socket.close()
    await this.discovery.destroy()
  }

  _open (connection) {
    const mux = Protomux.from(connection)
    const id = blake2b(this.topic, connection.handshakeHash)
    const open = () => {
      if (this._rooms.has(this)) new Socket(this, connection, mux, id)._open()
    }
    mux.pair({ protocol: PROTOCOL, id }, open)
    open()
  }
}

class Socket {
  constructor (room, connection, mux, id) {
    this.id = connection.remotePublicKey.toString('hex')
    this.connection = connection
    this.sessionData = undefined
    this._room = room
    this._closes = false
    // There is none where one is open or opening already.
    this._channel = mux.createChannel({
      protocol: PROTOCOL,
      id,
      handshake: c.buffer,
      messages: [this._message(MESSAGE), this._message(SESSION_DATA)],
      onopen: (handshake) => this._opened(handshake),
      onclose: (isRemote) => this._closed(isRemote)
    })
  }

  send (message) {
    return Buffer.isBuffer(message)
      ? this._send(MESSAGE, message, BYTES_TYPE)
      : this._send(MESSAGE, Buffer.from(JSON.stringify(message)), JSON_TYPE)
  }

  drained () {
    return this._channel.drained ? Promise.resolve() : new Promise((resolve) => this.connection.once('drain', resolve))
  }

  close () {
    this._closes = true
    this._channel.close()
  }

  _open () {
    if (!this._channel) return
    const { sessionData } = this._room
    this._channel.open(sessionData === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(sessionData)))
  }

  _send (type, content, contentType) {
    return this._channel.messages[type].send(encode({ type, content, contentType }))
  }

  _opened (handshake) {
    if (handshake !== null && handshake.byteLength > 0) this.sessionData = JSON.parse(handshake)
    this._room.sockets.set(this.id, this)
    this._room.emit('connect', this)
  }

  _closed (isRemote) {
    const { sockets } = this._room
    if (sockets.get(this.id) !== this) return
    sockets.delete(this.id)
    const lost = this.connection.destroying || this.connection.destroyed
    this._room.emit('close', this, this._closes ? 'local' : isRemote && !lost ? 'remote' : 'lost')
  }

  _message (type) {
    return {
      encoding: c.raw,
      onmessage: (bytes) => {
        const { content, contentType } = decode(bytes)
        if (type === SESSION_DATA) {
          this.sessionData = JSON.parse(content)
          this._room.emit('session-data', this)
        } else {
          const message = contentType === JSON_TYPE ? JSON.parse(content) : content
          this._room.emit('message', this, message, contentType)
        }
      }
    }
  }
}

function topicOf (name) {
  return blake2b(Buffer.from(`peersocket-open-${name}`))
}

function blake2b (bytes, key) {
  const hash = Buffer.alloc(32)
  sodium.crypto_generichash(hash, bytes, key)
  return hash
}

// message PeerSocketMessage {
//   optional PeerSocketMessageType messageType = 1 [default = MESSAGE]; // MESSAGE = 0, SESSION_DATA = 1
//   required bytes content = 2;
//   optional string contentType = 3;
// }
function encode ({ type, content, contentType }) {
  const name = Buffer.from(contentType)
  return Buffer.concat([
    Buffer.from([0x08, type, 0x12]), varint(content.byteLength), content,
    Buffer.from([0x1a]), varint(name.byteLength), name
  ])
}

function decode (bytes) {
  let at = 0
  const number = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const fields = {}
  while (at < bytes.byteLength) {
    const tag = number()
    if ((tag & 7) === 0) {
      fields[tag >> 3] = number()
    } else if ((tag & 7) === 2) {
      const length = number()
      fields[tag >> 3] = bytes.subarray(at, at += length)
    } else {
      throw new Error(`a field of an unknown kind, ${tag}`)
    }
  }
  return { type: fields[1] || MESSAGE, content: Buffer.from(fields[2]), contentType: fields[3] && fields[3].toString() }
}

function varint (value) {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128)
  bytes.push(value)
  return Buffer.from(bytes)
}

module.exports = { join, topicOf }
