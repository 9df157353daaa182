'use strict'
// Bundles browser/client.js with the npm multiserver client: node bundle.js OUTPUT

const path = require('path')
const esbuild = require('esbuild')

const here = (file) => path.join(__dirname, 'browser', file)
// Required by the server halves of the plugins, which a page never calls.
const absent = ['crypto', 'fs', 'http', 'https', 'net', 'path']

esbuild.buildSync({
  entryPoints: [here('client.js')],
  outfile: process.argv[2],
  bundle: true,
  platform: 'browser',
  target: 'es2022',
  nodePaths: (process.env.NODE_PATH || '').split(path.delimiter).filter(Boolean),
  inject: [here('globals.js')],
  alias: { ...Object.fromEntries(absent.map((name) => [name, here('empty.js')])), os: here('os.js') },
  logLevel: 'warning',
})
