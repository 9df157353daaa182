// A page knows of no network interfaces.
module.exports = { networkInterfaces: () => ({}) }
