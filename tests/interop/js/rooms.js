// What the peer of Hyperswarm does with PeerSocket.

'use strict'

const crypto = require('crypto')
const Protomux = require('protomux')
const c = require('compact-encoding')
const { join, topicOf } = require('./peer-socket')

module.exports = function acts ({ tell, hex, sha256, swarm }) {
  const swarms = new Map()
  const rooms = new Map()

  function enter ({ id, seed, name, sessionData, options }) {
    if (!swarms.has(seed)) swarms.set(seed, swarm(seed))
    const room = join(swarms.get(seed), name, sessionData, options)
    rooms.set(id, room)
    const of = ({ id, sessionData }) => ({ key: id, sessionData })
    room.on('connect', (socket) => {
      tell(id, 'connect', of(socket))
      socket.connection.on('close', () => tell(id, 'connection-close', of(socket)))
    })
    room.on('session-data', (socket) => tell(id, 'session-data', of(socket)))
    room.on('close', (socket, reason) => tell(id, 'socket-close', { ...of(socket), reason }))
    room.on('message', (socket, message) => {
      const what = Buffer.isBuffer(message) ? { hash: sha256(message), size: message.byteLength } : { json: message }
      tell(id, 'message', { ...of(socket), ...what })
    })
    return room.discovery.flushed()
  }

  // The room that an earlier command entered, and its only socket.
  const one = (room) => [...rooms.get(room).sockets.values()][0]

  return {
    async enter (command) {
      await enter(command)
      tell(command.id, 'ready')
    },
    async say ({ room, json, hex }) {
      one(room).send(hex === undefined ? json : Buffer.from(hex, 'hex'))
    },
    // Sends so many messages of so many bytes, and tells what they were.
    async flood ({ id, room, count, size }) {
      const hashes = []
      const socket = one(room)
      for (let n = 0; n < count; n++) {
        const bytes = crypto.randomBytes(size)
        hashes.push(sha256(bytes))
        if (!socket.send(bytes)) await socket.drained()
      }
      tell(id, 'flooded', { hashes })
    },
    async describe ({ room, sessionData }) {
      rooms.get(room).setSessionData(sessionData)
    },
    async hang_up ({ room }) {
      one(room).close()
    },
    async destroy ({ room }) {
      one(room).connection.destroy()
    },
    // Sends bytes below the encryption.
    async spoil ({ room, hex }) {
      one(room).connection.rawStream.write(Buffer.from(hex, 'hex'))
    },
    async leave ({ id, room }) {
      await rooms.get(room).leave()
      tell(id, 'left')
    },
    // Tries to open the channel of another room on the connection of this one, knowing its topic but for the hash, and not.
    async guess ({ id, room, name }) {
      const mux = Protomux.from(one(room).connection)
      const opened = []
      for (const guess of [topicOf(name), crypto.randomBytes(32), null]) {
        const channel = mux.createChannel({ protocol: 'peersocket/1', id: guess, handshake: c.buffer })
        channel.open(Buffer.alloc(0))
        opened.push(await channel.fullyOpened())
      }
      tell(id, 'guessed', { opened })
    }
  }
}
