package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"github.com/smartcontractkit/libocr/ragep2p/types"
)

// patience is how long a host may take to dial and speak: what hangs ends the program.
const patience = 30 * time.Second

// heard is what a host said to the one it dialled.
type heard struct {
	knock, certificate []byte
	// Of each stream: {"id", "open", "data", "close"}. The message is "hi".
	frames answer
}

// listenTo plays the acceptor, bare of libocr, to a host that dials it.
func listenTo(version, dialler, acceptor string, names []string) heard {
	keys, err := newKeyring(acceptor)
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer listener.Close()
	o := hostOptions{Version: version, Seed: dialler, Listen: []string{"127.0.0.1:0"}, DialMillis: 100}
	o.Discover.Static = addresses{keys.id(): {types.Address(listener.Addr().String())}}
	opened, err := openHost(0, o)
	check(err)
	host, err := hosts.find(opened["host"].(uint64))
	check(err)
	defer host.Close()

	open := func(name string) func() {
		stream, err := host.open(streamOptions{Peer: keys.id(), Name: name})
		check(err)
		stream.send([]byte("hi"))
		return func() { check(stream.Close()) }
	}
	// The last stream would take the connection with it, and not be closed by a frame.
	open("kept")
	closing := map[string]func(){}
	for _, name := range names {
		closing[name] = open(name)
	}

	check(listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	bare, knock := knocked(listener)
	defer bare.Close()
	conn := tls.Server(bare, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate(keys)}, ClientAuth: tls.RequireAnyClientCert,
	})
	check(conn.Handshake())

	frames, name := answer{}, map[string]string{}
	var opens []byte
	for range len(names) + 1 {
		frame := readFrame(conn, 1)
		id := hex.EncodeToString(frame[1:33])
		name[id] = string(frame[37:])
		frames[name[id]] = answer{"id": id, "open": hex.EncodeToString(frame)}
		opens = append(opens, frame...)
	}
	// Ours are the same, since an id does not tell who is who. The first lets messages come.
	_, err = conn.Write(opens)
	check(err)
	for range len(names) + 1 {
		frame := readFrame(conn, 3)
		frames[name[hex.EncodeToString(frame[1:33])]].(answer)["data"] = hex.EncodeToString(frame)
	}
	for _, name := range names {
		closing[name]()
		frames[name].(answer)["close"] = hex.EncodeToString(readFrame(conn, 2))
	}
	delete(frames, "kept")
	return heard{knock, conn.ConnectionState().PeerCertificates[0].Raw, frames}
}

// knocked accepts the first connection with a knock. A host that waits too short for one ends it before.
func knocked(listener net.Listener) (net.Conn, []byte) {
	for {
		bare, err := listener.Accept()
		check(err)
		check(bare.SetDeadline(time.Now().Add(patience)))
		knock := make([]byte, 97)
		if _, err = io.ReadFull(bare, knock); err == nil {
			return bare, knock
		}
		bare.Close()
	}
}

// readFrame reads the next one, which must be of that type.
func readFrame(conn io.Reader, kind byte) []byte {
	frame := make([]byte, 37)
	_, err := io.ReadFull(conn, frame)
	check(err)
	if frame[0] != kind {
		check(fmt.Errorf("a frame of type %d came, not %d", frame[0], kind))
	}
	payload := make([]byte, binary.BigEndian.Uint32(frame[33:]))
	_, err = io.ReadFull(conn, payload)
	check(err)
	return append(frame, payload...)
}

// certificate has the key, and nothing else that a host looks at.
func certificate(keys keyring) tls.Certificate {
	template := x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, keys.key.Public(), keys.key)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: keys.key}
}
