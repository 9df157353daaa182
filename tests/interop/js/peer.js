'use strict'
// The JavaScript multiserver as a peer that a test drives. Commands come as one JSON object a line on stdin (or as
// arguments, one object each), what happens goes as one JSON object a line to stdout, with the `id` of its command:
//
//   {"id":1,"do":"serve","plugins":["net~shs","unix~shs"],"behaviour":"echo", …}   options: stacks.js, behaviours.js
//       listening {addresses}, auth {remote}, connection {connection,address,remote}, done {connection,…}, refused {message,address}
//   {"id":2,"do":"dial","plugins":["net~shs"],"address":"net:…~shs:…","behaviour":"send","bytes":1024, …}
//       connected {address,remote}, done {…}, failed {message,address}
//
// An exception that escapes is reported as {"event":"crash"}. The process ends with its stdin.

const readline = require('readline')
const { makeServer, makeClient, base64 } = require('./stacks')
const { run } = require('./behaviours')

function say(event) {
  process.stdout.write(JSON.stringify(event) + '\n')
}

process.on('uncaughtException', (error) => {
  process.stdout.write(JSON.stringify({ event: 'crash', message: String(error && error.stack) }) + '\n', () => process.exit(1))
})

async function serve({ id, ...options }) {
  let count = 0
  const tell = (event, more) => say({ id, event, ...more })
  const server = await makeServer(options, {
    onAuth: (remote) => tell('auth', { remote: base64(remote) }),
    onError: (error) => tell('refused', { message: error.message, address: error.address }),
    onConnection: (stream) => {
      const connection = ++count
      tell('connection', { connection, address: stream.address, remote: base64(stream.remote) })
      run(stream, options, (result) => tell('done', { connection, ...result }))
    },
  })
  tell('listening', { addresses: server.stringify('device').split(';') })
}

async function dial({ id, address, ...options }) {
  let answered = false
  makeClient(options).client(address, (error, stream) => {
    // The reference may call back twice; the first answer counts.
    if (answered) return
    answered = true
    if (error) return say({ id, event: 'failed', message: error.message, address: error.address })
    say({ id, event: 'connected', address: stream.address, remote: base64(stream.remote) })
    run(stream, options, (result) => say({ id, event: 'done', ...result }))
  })
}

const commands = { serve, dial }

function obey(line) {
  const command = JSON.parse(line)
  commands[command.do](command).catch((error) =>
    say({ id: command.id, event: 'failed', message: error.message, code: error.code })
  )
}

process.argv.slice(2).forEach(obey)
readline.createInterface({ input: process.stdin }).on('line', obey).on('close', () => process.exit(0))
